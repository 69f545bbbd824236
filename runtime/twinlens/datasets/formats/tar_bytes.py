"""Bytes of a tar from front to back, decompressed where the file is compressed."""

import os
import stat
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import BinaryIO, Final

from twinlens.datasets.quoting import quoted_path
from twinlens.errors import DatasetError, missing, quoted

MAX_EXPANSION: Final = 1032
"""Bytes out of one compressed byte: the most that deflate can give. bzip2 and xz could give more,
of zeros only; a file of them is refused there."""
MIN_EXPANDED: Final = 2**28
"""Bytes that a compressed file of any size may expand to."""
_CHUNK: Final = 2**18
_MODULES: Final = {b"\x1f\x8b": "gzip", b"BZh": "bz2", b"\xfd7zXZ\0": "lzma"}
_FOREIGN: Final = {b"\x28\xb5\x2f\xfd": "zstd", b"\x04\x22\x4d\x18": "lz4", b"PK\3\4": "zip"}


class TarBytes:
    """Bytes of a tar, each read or skipped once.

    The checksums of a compressed file are verified when its end is read.
    """

    def __init__(self, file: BinaryIO, *, bound: int, seekable: bool) -> None:
        self._file, self._bound, self.seekable = file, bound, seekable
        self._ahead = b""
        self.position = 0
        """Bytes read or skipped."""

    @property
    def left(self) -> int:
        """The most bytes that can still come; of an uncompressed tar, those that do."""
        return self._bound - self.position

    def read(self, n_bytes: int) -> bytes:
        """Return the next bytes; fewer only at the end.

        Raises:
            DatasetError: the compressed bytes are damaged or torn, or expand beyond the bound.
        """
        content, self._ahead = self._ahead[:n_bytes], self._ahead[n_bytes:]
        if len(content) < n_bytes:
            content += self._decompressed(n_bytes - len(content))
        self.position += len(content)
        if self.position > self._bound:
            raise DatasetError(f"it expands beyond {self._bound:,} bytes; decompress it first")
        return content

    def skip(self, n_bytes: int) -> int:
        """Skip bytes and return their number; fewer only at the end.

        Raises:
            DatasetError: as of `read`.
        """
        if self.seekable and n_bytes > len(self._ahead):
            n_bytes = min(n_bytes, self.left)
            self._file.seek(n_bytes - len(self._ahead), os.SEEK_CUR)
            self._ahead = b""
            self.position += n_bytes
            return n_bytes
        start, end = self.position, self.position + n_bytes
        while self.position < end and self.read(min(end - self.position, _CHUNK)):
            pass
        return self.position - start

    def put_back(self, content: bytes) -> None:
        """Put back bytes that were read last."""
        self._ahead = content + self._ahead
        self.position -= len(content)

    def _decompressed(self, n_bytes: int) -> bytes:
        try:
            return self._file.read(n_bytes)
        except (EOFError, zlib.error, ValueError, OSError) as error:
            raise DatasetError(quoted(str(error))) from error
        except Exception as error:
            # lzma is an optional part of Python, so its error has no name here.
            if type(error).__name__ != "LZMAError":
                raise
            raise DatasetError(quoted(str(error))) from error


@contextmanager
def open_tar_bytes(path: Path) -> Iterator[TarBytes]:
    """Open a tar, uncompressed or compressed by gzip, bzip2 or xz.

    Raises:
        DatasetError: it is no regular file, is compressed otherwise, or Python lacks the module.
        OSError: it cannot be opened.
    """
    require_regular_file(path)
    with path.open("rb") as file:
        head, size = file.read(6), file.seek(0, os.SEEK_END)
        file.seek(0)
        for magic, name in _FOREIGN.items():
            if head.startswith(magic):
                raise DatasetError(
                    f"{quoted_path(path)} is not a whole tar: it is {name}; decompress it, or pack "
                    "it as .tar"
                )
        module = next((name for magic, name in _MODULES.items() if head.startswith(magic)), None)
        if module is None:
            yield TarBytes(file, bound=size, seekable=True)
            return
        try:
            opener = import_module(module).open
        except ImportError as error:
            raise DatasetError(
                f"{quoted_path(path)} needs Python's module {module}, which is not installed; "
                "decompress it"
            ) from error
        bound = MIN_EXPANDED + MAX_EXPANSION * size
        with opener(file) as expanded:
            yield TarBytes(expanded, bound=bound, seekable=False)


def require_regular_file(path: Path) -> None:
    """Refuse a pipe or a device: opening a pipe without a writer would block for ever.

    Raises:
        DatasetError: it is one.
        OSError: there is no such file.
    """
    try:
        mode = path.stat().st_mode
    except FileNotFoundError as error:
        raise missing(path, "check the path") from error
    if not stat.S_ISREG(mode):
        raise DatasetError(f"{quoted_path(path)} is no regular file; copy its content into one")


def is_zero(content: bytes) -> bool:
    """Return True if all bytes are zero."""
    return content == bytes(len(content))
