"""Lock of one writer: a file that others find held until its process ends."""

import contextlib
import errno
import os
import platform
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from twinlens.errors import quoted

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

_BUSY: Final = (errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES, errno.EDEADLK)
_NO_LOCKS: Final = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP)
"""Errors of file systems without `flock`: some NFS, FUSE and Lustre mounts."""


@contextmanager
def exclusive_lock(path: Path, *, busy: Callable[[str], Exception]) -> Iterator[None]:
    """Hold a file for one writer of its folder; it is free when the process ends, even if killed.

    On a file system without locks, the file `held_name`, which no other writer can create, is the
    lock: it outlives a writer that is killed.

    Args:
        path: the file; it stays when it is free.
        busy: the error that another writer is at work, of its message.

    Raises:
        OSError: the file system refuses the lock.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o666)
    try:
        with contextlib.ExitStack() as held:
            try:
                _lock(descriptor)
            except OSError as error:
                if error.errno in _BUSY:
                    raise busy(
                        f"{path.parent} is being written by another writer; wait until it is done"
                    ) from error
                if error.errno not in _NO_LOCKS:
                    reason = f"the lock failed with {error.strerror}; write to another disk"
                    raise OSError(error.errno, reason, str(path)) from error
                held.enter_context(_held(path, busy))
            if not path.exists() or path.stat().st_ino != os.fstat(descriptor).st_ino:
                raise busy(f"{path.parent} is being deleted by another writer; try again")
            yield
    finally:
        os.close(descriptor)


def held_name(name: str) -> str:
    """Return the name of the file that is the lock `name` on a file system without locks."""
    return f"{name}.held"


@contextmanager
def _held(lock: Path, busy: Callable[[str], Exception]) -> Iterator[None]:
    """Hold the folder by a file of this writer's name."""
    path = lock.with_name(held_name(lock.name))
    try:
        file = path.open("x", encoding="utf-8")
    except FileExistsError as error:
        writer = ""
        with contextlib.suppress(OSError, ValueError):
            writer = path.read_text(encoding="utf-8")
        raise busy(
            f"{path.parent} is being written by {quoted(writer) or 'another writer'}; wait until "
            f"it is done, or delete {path.name} there if that process has ended (this disk has no "
            "locks)"
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
