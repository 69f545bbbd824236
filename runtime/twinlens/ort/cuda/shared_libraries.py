"""Dependencies of a shared library: their names, and the ones that cannot be loaded."""

import ctypes
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_MAGIC: Final = b"\x7fELF\x02\x01"
"""Of a 64-bit little-endian ELF file, the only kind with CUDA on Linux."""
_LOAD, _DYNAMIC = 1, 2
_NEEDED, _STRINGS = 1, 5


def needed(library: Path) -> tuple[str, ...]:
    """Return the names of the libraries that this one is linked to; empty if it is no ELF file.

    Read from the file (Tool Interface Standard, ELF 1.2, book I, chapter 2), because loading the
    library would run its initialisers outside of onnxruntime.
    """
    content = library.read_bytes() if library.stat().st_size < 2**16 else _head(library)
    if content[:6] != _MAGIC:
        return ()
    segments = tuple(_segments(content))
    with library.open("rb") as file:

        def read(offset: int, size: int) -> bytes:
            file.seek(offset)
            return file.read(size)

        for kind, offset, _, size in segments:
            if kind == _DYNAMIC:
                entries = tuple(struct.iter_unpack("<qQ", read(offset, size - size % 16)))
                strings = _offset(segments, dict(entries)[_STRINGS])
                return tuple(
                    read(strings + value, 256).split(b"\0")[0].decode()
                    for tag, value in entries
                    if tag == _NEEDED
                )
    return ()


def missing(library: Path) -> dict[str, str]:
    """Return the libraries that this one needs and that cannot be loaded, with the loader's error.

    The others stay loaded: only loading them shows that their own dependencies are there.
    """
    found = {}
    for name in needed(library):
        beside = library.parent / name
        try:
            ctypes.CDLL(str(beside) if beside.exists() else name)
        except OSError as error:
            found[name] = str(error)
    return found


def _head(library: Path) -> bytes:
    with library.open("rb") as file:
        return file.read(2**16)


def _segments(content: bytes) -> Iterator[tuple[int, int, int, int]]:
    """Yield kind, offset, address and size in the file of every segment."""
    (start,) = struct.unpack_from("<Q", content, 32)
    size, count = struct.unpack_from("<HH", content, 54)
    for number in range(count):
        kind, _, offset, address, _, in_file = struct.unpack_from(
            "<IIQQQQ", content, start + number * size
        )
        yield kind, offset, address, in_file


def _offset(segments: tuple[tuple[int, int, int, int], ...], address: int) -> int:
    """Return the offset in the file of an address."""
    for kind, offset, start, size in segments:
        if kind == _LOAD and start <= address < start + size:
            return offset + address - start
    raise ValueError(f"address {address:#x} lies in no segment")
