"""Regular files: content on a disk, of a bounded size; no pipe, device or folder."""

import errno
import os
import stat
from io import BufferedReader
from pathlib import Path

_NO_WAITING = getattr(os, "O_NONBLOCK", 0)
"""Opening a pipe that nobody writes to returns at once; a regular file knows no such wait."""


def regular_size(path: Path) -> int:
    """Return the bytes of a file; links are followed.

    Raises:
        OSError: it is no regular file, or there is none.
    """
    status = path.stat()
    _require_regular(status, path)
    return status.st_size


def open_regular(path: Path, *, most_bytes: int) -> BufferedReader:
    """Open a file to read it; links are followed.

    A pipe would wait for a writer for ever, and a device may have no end.

    Raises:
        OSError: it is no regular file, is longer than `most_bytes`, or cannot be opened.
    """
    _require_regular(path.stat(), path)
    file = open(path, "rb", opener=lambda name, flags: os.open(name, flags | _NO_WAITING))  # noqa: SIM115  the caller closes it
    try:
        # Another file may have come into its place.
        status = os.fstat(file.fileno())
        _require_regular(status, path)
        _require_size(status, path, most_bytes)
    except BaseException:
        file.close()
        raise
    return file


def _require_regular(status: os.stat_result, path: Path) -> None:
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, "Is a directory", str(path))
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "Not a regular file", str(path))


def _require_size(status: os.stat_result, path: Path, most_bytes: int) -> None:
    if status.st_size > most_bytes:
        reason = f"It has {status.st_size} bytes, wanted at most {most_bytes}"
        raise OSError(errno.EFBIG, reason, str(path))
