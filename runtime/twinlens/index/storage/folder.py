"""Folder of an index: its lock, its file names, and the deletion of old files."""

import contextlib
import errno
import os
import platform
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from twinlens.errors import IndexBusyError, IndexFileError, quoted
from twinlens.index.storage.manifest import DRAFT, MANIFEST, IndexManifest, read_manifest

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

LOCK: Final = "index.lock"
HELD: Final = "index.lock.held"
"""Lock by existence, on a file system without locks; it outlives a writer that is killed."""
_BUSY: Final = (errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES, errno.EDEADLK)
_NO_LOCKS: Final = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP)
"""Errors of file systems without `flock`: some NFS, FUSE and Lustre mounts."""
_NUMBERED: Final = re.compile(
    r"(?:rows|codes|terms|residual|ids|id_text|id_ends|id_digests|centre|removed)"
    r"\.(\d+)\.(?:f32|u8|i64|u64|utf8|bits)"
)


@contextmanager
def exclusive(folder: Path) -> Iterator[None]:
    """Lock the folder for one writer; the lock is released with the process, even if it is killed.

    On a file system without locks, a file that no other writer can create is the lock.

    Raises:
        IndexBusyError: another writer is at work.
        OSError: the file system refuses the lock.
    """
    path = folder / LOCK
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o666)
    try:
        with contextlib.ExitStack() as held:
            try:
                _lock(descriptor)
            except OSError as error:
                if error.errno in _BUSY:
                    raise IndexBusyError(
                        f"{folder} is being written by another writer; wait until it is done"
                    ) from error
                if error.errno not in _NO_LOCKS:
                    reason = f"the lock failed with {error.strerror}; write to another disk"
                    raise OSError(error.errno, reason, str(path)) from error
                held.enter_context(_held(folder))
            if not path.exists() or path.stat().st_ino != os.fstat(descriptor).st_ino:
                raise IndexBusyError(f"{folder} is being deleted by another writer; try again")
            yield
    finally:
        os.close(descriptor)


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    """Hold the folder by a file of this writer's name."""
    path = folder / HELD
    try:
        file = path.open("x", encoding="utf-8")
    except FileExistsError as error:
        writer = ""
        with contextlib.suppress(OSError, ValueError):
            writer = path.read_text(encoding="utf-8")
        raise IndexBusyError(
            f"{folder} is being written by {quoted(writer) or 'another writer'}; wait until "
            f"it is done, or delete {HELD} there if that process has ended (this disk has no locks)"
        ) from error
    try:
        with file:
            file.write(f"process {os.getpid()} on {platform.node()}")
        yield
    finally:
        path.unlink(missing_ok=True)


def _lock(descriptor: int) -> None:
    if sys.platform == "win32":
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
    else:
        # Not lockf: that lock would be lost when this process closes the file anywhere else.
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def require_target(folder: Path) -> None:
    """Refuse a path that cannot hold an index, or holds something else.

    Raises:
        OSError: it is a file, a folder of something else, read-only, or without a parent folder.
    """
    if not folder.exists():
        parent = folder.parent
        if not parent.is_dir() or not os.access(parent, os.W_OK):
            raise PermissionError(f"{folder} cannot be written; name one in a folder that can")
    elif not folder.is_dir():
        raise FileExistsError(
            f"{folder} is a file or a device, but an index is a folder; name another place"
        )
    else:
        strangers = [name for name in os.listdir(folder) if not _is_ours(name)]  # noqa: PTH208
        if strangers:
            raise FileExistsError(
                f"{folder} holds {quoted(min(strangers))!r}, which belongs to no index; "
                "name a new folder or that of an index"
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
