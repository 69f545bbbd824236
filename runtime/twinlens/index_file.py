"""What an index is on disk: a header of 128 bytes, then the rows, little-endian float32.

    offset  bytes  what
    0       8      magic; its line ends catch a transfer in text mode
    8       4      format version
    12      4      zero
    16      8      N, the number of rows
    24      8      D, the width of a row
    32      32     SHA-256 of the rows
    64      32     zero
    96      32     SHA-256 of the 96 bytes above
    128     4 N D  the rows, aligned for any vector unit

The header answers for itself at once; the rows answer to its hash when someone asks.
"""

import hashlib
import os
import secrets
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from twinlens.errors import IndexFileError

_MAGIC = b"\x89TLI\r\n\x1a\n"
_VERSION = 1
_FIELDS = struct.Struct("<8sI4xQQ32s32x")
_HEADER_BYTES = _FIELDS.size + hashlib.sha256().digest_size
_CURE = "build and save the index again"


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """The first 128 bytes of an index file."""

    n_rows: int
    width: int
    digest: bytes
    """SHA-256 of the rows."""

    @property
    def file_bytes(self) -> int:
        """The exact size of the whole file."""
        return _HEADER_BYTES + 4 * self.n_rows * self.width

    def pack(self) -> bytes:
        """The header as it is written."""
        fields = _FIELDS.pack(_MAGIC, _VERSION, self.n_rows, self.width, self.digest)
        return fields + hashlib.sha256(fields).digest()

    @classmethod
    def unpack(cls, header: bytes, path: Path) -> Self:
        """The header as it was read; whatever is wrong with it is an IndexFileError."""
        if header[: len(_MAGIC)] != _MAGIC:
            raise IndexFileError(
                f"{path} is no twinlens index: it starts with {header[: len(_MAGIC)]!r}, "
                f"wanted {_MAGIC!r}; give a file that Index.save wrote"
            )
        if len(header) < _HEADER_BYTES:
            raise IndexFileError(
                f"{path} ends after {len(header)} bytes, wanted a header of {_HEADER_BYTES}; "
                f"{_CURE}"
            )
        fields, digest = header[: _FIELDS.size], header[_FIELDS.size :]
        _, version, n_rows, width, rows_digest = _FIELDS.unpack(fields)
        if hashlib.sha256(fields).digest() != digest:
            raise IndexFileError(f"the header of {path} does not match its own hash; {_CURE}")
        if version != _VERSION:
            raise IndexFileError(
                f"{path} has format version {version}, wanted {_VERSION}; "
                "open it with the twinlens that wrote it, or build and save it again"
            )
        return cls(n_rows=n_rows, width=width, digest=rows_digest)


def write_rows(path: Path, rows: NDArray[np.float32]) -> None:
    """Write [N, D] rows to `path`: the whole file appears there at once, or none of it."""
    content = np.ascontiguousarray(rows, dtype="<f4").reshape(-1).view(np.uint8)
    header = Header(n_rows=rows.shape[0], width=rows.shape[1], digest=_digest(content))
    # Beside its target, because a rename is atomic only within one file system.
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        with draft.open("xb") as file:
            file.write(header.pack())
            file.write(content.data)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    _sync_folder(path.parent)


def map_rows(path: Path) -> tuple[Header, NDArray[np.float32]]:
    """The header and the memory-mapped, read-only rows [N, D]; none of the rows is read."""
    with path.open("rb") as file:
        header = Header.unpack(file.read(_HEADER_BYTES), path)
        got = os.fstat(file.fileno()).st_size
        if got != header.file_bytes:
            raise IndexFileError(
                f"{path} has {got} bytes, wanted {header.file_bytes} for {header.n_rows} rows of "
                f"width {header.width}; {_CURE}"
            )
        shape = (header.n_rows, header.width)
        rows = np.memmap(file, dtype="<f4", mode="r", offset=_HEADER_BYTES, shape=shape)
    return header, np.asarray(rows)


def check_rows(header: Header, rows: NDArray[np.float32], path: Path) -> None:
    """Read every row; one that changed since it was written is an IndexFileError."""
    if _digest(rows.reshape(-1).view(np.uint8)) != header.digest:
        raise IndexFileError(f"the rows of {path} do not match their hash; {_CURE}")


def _digest(content: NDArray[np.uint8]) -> bytes:
    return hashlib.sha256(content.data).digest()


def _sync_folder(folder: Path) -> None:
    """Make a rename in `folder` last, where the system can (Windows cannot open a folder)."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
