"""Folder of an index: its lock, its file names, and the deletion of old files."""

import contextlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from twinlens.durable.lock import exclusive_lock, held_name
from twinlens.errors import IndexBusyError, IndexFileError, no_folder_for, quoted
from twinlens.index.storage.manifest import DRAFT, MANIFEST, IndexManifest, read_manifest

LOCK: Final = "index.lock"
HELD: Final = held_name(LOCK)
"""Lock by existence, on a file system without locks; it outlives a writer that is killed."""
_NUMBERED: Final = re.compile(
    r"(?:rows|codes|terms|residual|errors|ids|id_text|id_ends|id_digests|centre|removed)"
    r"\.(\d+)\.(?:f32|u8|i64|u64|utf8|bits)"
)


@contextmanager
def exclusive(folder: Path) -> Iterator[None]:
    """Lock the folder for one writer; the lock is released with the process, even if it is killed.

    Raises:
        IndexBusyError: another writer is at work.
        OSError: the file system refuses the lock.
    """
    with exclusive_lock(folder / LOCK, busy=IndexBusyError):
        yield


def require_target(folder: Path) -> None:
    """Refuse a path that cannot hold an index, or holds something else.

    Raises:
        OSError: it is a file, a folder of something else, read-only, or without a parent folder.
    """
    if not folder.exists():
        parent = folder.parent
        if not parent.is_dir():
            raise no_folder_for(folder, parent)
        if not os.access(parent, os.W_OK):
            raise PermissionError(
                f"{quoted(str(folder))} cannot be written; name one in a folder that can"
            )
    elif not folder.is_dir():
        raise FileExistsError(
            f"{quoted(str(folder))} is a file or a device, but an index is a folder; "
            "name another place"
        )
    else:
        strangers = [name for name in os.listdir(folder) if not _is_ours(name)]  # noqa: PTH208
        if strangers:
            raise FileExistsError(
                f"{quoted(str(folder))} holds {quoted(min(strangers))!r}, which belongs to no "
                "index; name a new folder or that of an index"
            )


def next_generation(folder: Path) -> int:
    """Return a number above all generations in the folder, committed or left behind."""
    numbers = [0]
    # A damaged index may be overwritten: its file names still count.
    with contextlib.suppress(IndexFileError, OSError):
        numbers.append(read_manifest(folder).generation)
    for name in os.listdir(folder):  # noqa: PTH208
        named = _NUMBERED.fullmatch(name)
        if named:
            numbers.append(int(named[1]))
    return max(numbers) + 1


def sweep(folder: Path, manifest: IndexManifest) -> None:
    """Delete files of older or unfinished indexes; readers keep the files that they have open."""
    needed = manifest.files() | {LOCK, HELD}
    for name in os.listdir(folder):  # noqa: PTH208
        if name not in needed and _is_ours(name):
            # Windows keeps a file that is open: the next writer tries again.
            with contextlib.suppress(OSError):
                (folder / name).unlink()


def _is_ours(name: str) -> bool:
    return name in (MANIFEST, LOCK, HELD, DRAFT) or _NUMBERED.fullmatch(name) is not None
