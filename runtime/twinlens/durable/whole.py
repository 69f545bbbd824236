"""Files and folders that take their place when they are whole; until then the old ones stay.

A draft is synchronised before it is renamed, so a loss of power leaves one of the two.
"""

import contextlib
import errno
import logging
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final

logger = logging.getLogger(__name__)

_FULL: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""Errors of a write that finds no room."""


@contextmanager
def whole_file(out: Path, *, draft_name: str | None = None) -> Iterator[BinaryIO]:
    """Open a draft beside `out` that replaces it at the end; an error leaves the old file.

    Args:
        out: the file.
        draft_name: name of the draft, for a writer that deletes those it left behind itself; by
            default a free one, and those left behind are named in a warning.
    """
    target = out.resolve()  # a link stays a link
    draft = _draft_in(target.parent) if draft_name is None else target.with_name(draft_name)
    try:
        with draft.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if target.exists():
            shutil.copymode(target, draft)
        draft.replace(target)
    except BaseException as error:
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)
        name_full_disk(error, out)
        raise
    sync_folder(target.parent)


@contextmanager
def whole_files(out: Path) -> Iterator[Path]:
    """Make a draft folder inside `out`; its files replace those of `out` when all are written."""
    out.mkdir(parents=True, exist_ok=True)
    draft = _draft_in(out)
    draft.mkdir()
    try:
        yield draft
        _sync_files(draft)
        for file in sorted(draft.iterdir()):
            file.replace(out / file.name)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    sync_folder(out)


@contextmanager
def whole_folder(out: Path) -> Iterator[Path]:
    """Name a draft folder beside `out`, to be made and filled; it replaces `out` at the end.

    No file system exchanges two folders everywhere: between two renames the old one has the name
    of a draft, and a process killed just there leaves it whole beside the new one.
    """
    target = out.resolve()
    target.parent.mkdir(parents=True, exist_ok=True)
    draft, old = _draft_in(target.parent), _draft_in(target.parent)
    try:
        yield draft
        _sync_files(draft)
        if target.exists():
            target.rename(old)
        try:
            draft.rename(target)
        except BaseException:
            if old.exists():
                old.rename(target)
            raise
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    sync_folder(target.parent)
    shutil.rmtree(old, ignore_errors=True)


def name_full_disk(error: BaseException | None, place: Path) -> None:
    """Give the error of a write that found no room the name of its place: it has the reason alone.

    Args:
        error: any; others stay as they are.
        place: the file or the folder.
    """
    if isinstance(error, OSError) and error.errno in _FULL and error.filename is None:
        error.filename = str(place)


def sync_folder(folder: Path) -> None:
    """Flush the names of `folder` to disk where the system can (Windows cannot open a folder)."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _draft_in(folder: Path) -> Path:
    """Return a free name for a draft; name those that a killed process has left behind."""
    for left in sorted(folder.glob(_named("*"))) if folder.is_dir() else ():
        logger.warning("%s is a draft: delete it unless another twinlens writes there", left)
    return folder / _named(secrets.token_hex(6))


def _named(key: str) -> str:
    return f".twinlens-{key}.draft"


def _sync_files(folder: Path) -> None:
    # A copied file may be read-only; Windows synchronises writable ones only.
    mode = "rb" if os.name == "posix" else "rb+"
    for place, _, names in os.walk(folder):
        for name in names:
            with (Path(place) / name).open(mode) as file:
                os.fsync(file.fileno())
        sync_folder(Path(place))
