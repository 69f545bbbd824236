"""The folder of a bundle: filled beside its target, and moved there when it is complete."""

import logging
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from twinlens.bundle.bundle import open_bundle
from twinlens.errors import BundleError, quoted
from twinlens_export.errors import ExportError

if sys.platform != "win32":
    import fcntl

logger = logging.getLogger(__name__)


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
            f"{quoted(str(out))} exists and is not a bundle, so it is left alone; give another "
            "place"
        ) from error
    if not force:
        raise ExportError(f"{quoted(str(out))} is a bundle already; replace it with --force")


def clear_remains(out: Path) -> None:
    """Remove what killed exports to `out` have left beside it; what cannot be removed is logged.

    A draft is locked while its export runs. A bundle that a killed export had moved aside comes
    back if nothing is at `out`.
    """
    target = out.resolve()
    drafts = _siblings(target, "draft")
    running = [draft for draft in drafts if not _removed(draft)]
    if running:
        return
    for old in _siblings(target, "old"):
        if target.exists():
            shutil.rmtree(old, ignore_errors=True)
        else:
            old.rename(target)
            logger.warning("%s is back: a killed export had moved it aside", target)


@contextmanager
def new_folder(out: Path) -> Iterator[Path]:
    """Yield a folder beside `out`: moved to `out` at the end, deleted on an error.

    Anything at `out` is replaced, and the remains of killed exports are removed.

    Raises:
        ExportError: the place cannot be written.
    """
    clear_remains(out)
    draft = _beside(out, "draft")
    try:
        draft.mkdir(parents=True)
    except OSError as error:
        raise ExportError(
            f"no folder can be made beside {quoted(str(out))} ({quoted(error.strerror or '')}); "
            "give a place that can be written"
        ) from error
    try:
        with _locked(draft):
            yield draft
            _move(draft, out)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise


def _removed(draft: Path) -> bool:
    """Remove a draft without an owner; False: it may have one."""
    try:
        with _locked(draft) as is_locked:
            if is_locked:
                shutil.rmtree(draft)
                logger.warning("%s is removed: a killed export had left it", draft)
                return True
    except BlockingIOError:
        return False
    except OSError as error:
        logger.warning("%s cannot be removed (%s); remove it by hand", draft, error)
        return False
    logger.warning("%s may be of a killed export; remove it by hand if none is running", draft)
    return False


@contextmanager
def _locked(folder: Path) -> Iterator[bool]:
    """Lock a folder; the lock goes with the process, however it ends.

    Yields:
        True if it is locked, False where the system has no locks of folders.

    Raises:
        BlockingIOError: another process has it.
    """
    if sys.platform == "win32":
        yield False
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        is_locked = True
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise
        except OSError:  # a file system without locks
            is_locked = False
        yield is_locked
    finally:
        os.close(descriptor)


def _move(draft: Path, out: Path) -> None:
    if not out.exists():
        draft.rename(out)
        return
    old = _beside(out, "old")
    out.rename(old)
    draft.rename(out)
    shutil.rmtree(old)


def _siblings(target: Path, kind: str) -> list[Path]:
    """Return the folders beside a target that `_beside` has named."""
    prefix = f".{target.name}.{kind}"
    try:
        paths = sorted(target.parent.iterdir())
    except OSError:
        return []
    return [
        path
        for path in paths
        if path.name.startswith(prefix)
        and path.name.removeprefix(prefix).isdecimal()
        and path.is_dir()
        and not path.is_symlink()
    ]


def _beside(out: Path, kind: str) -> Path:
    """Return a free path in the same folder, so on the same file system: a move is one step."""
    target = out.resolve()
    number = 0
    while (path := target.with_name(f".{target.name}.{kind}{number}")).exists():
        number += 1
    return path
