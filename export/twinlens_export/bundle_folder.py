"""The folder of a bundle: filled beside its place, and moved there when it is whole."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from twinlens.bundle.bundle import open_bundle
from twinlens.errors import BundleError
from twinlens_export.errors import ExportError


def require_free(out: Path, *, force: bool) -> None:
    """Refuse a place that holds something.

    Args:
        out: where the bundle shall be.
        force: allow a bundle that is there, which will be replaced.

    Raises:
        ExportError: it holds something that may not be replaced.
    """
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    try:
        open_bundle(out)
    except BundleError as error:
        raise ExportError(
            f"{out} exists and is not a bundle, so it is left alone; give another place"
        ) from error
    if not force:
        raise ExportError(f"{out} is a bundle already; replace it with --force")


@contextmanager
def new_folder(out: Path) -> Iterator[Path]:
    """A folder to fill, beside `out`: moved there at the end, deleted if that is not reached.

    Whatever was at `out` is replaced.
    """
    draft = _beside(out, "draft")
    draft.mkdir(parents=True)
    try:
        yield draft
        _move(draft, out)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise


def _move(draft: Path, out: Path) -> None:
    if not out.exists():
        draft.rename(out)
        return
    old = _beside(out, "old")
    out.rename(old)
    draft.rename(out)
    shutil.rmtree(old)


def _beside(out: Path, kind: str) -> Path:
    """A name that is free, on the same file system so that a move is one step."""
    place = out.resolve()
    number = 0
    while (path := place.with_name(f".{place.name}.{kind}{number}")).exists():
        number += 1
    return path
