"""The folder of a bundle: filled beside its target, and moved there when it is complete."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from twinlens.bundle.bundle import open_bundle
from twinlens.errors import BundleError
from twinlens_export.errors import ExportError


def require_free(out: Path, *, force: bool) -> None:
    """Refuse a target that is taken.

    Args:
        out: target of the bundle.
        force: allow a bundle there; it will be replaced.

    Raises:
        ExportError: there is something that may not be replaced.
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
    """Yield a folder beside `out`: moved to `out` at the end, deleted on an error.

    Anything at `out` is replaced.
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
    """Return a free path in the same folder, so on the same file system: a move is one step."""
    target = out.resolve()
    number = 0
    while (path := target.with_name(f".{target.name}.{kind}{number}")).exists():
        number += 1
    return path
