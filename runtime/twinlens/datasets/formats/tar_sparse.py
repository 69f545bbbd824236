"""Sparse members of a tar, as `tar --sparse` packs files with holes.

Read are GNU's own format and versions 0.1 and 1.0 in pax records (GNU tar's manual, "Storing Sparse
Files"); version 0.0, of 2003, is not.
"""

from collections.abc import Mapping, Sequence
from typing import Final

Pieces = Sequence[tuple[int, int]]
"""Offset and length in the whole file of each piece that is stored."""

KEY: Final = "GNU.sparse."
"""Beginning of the pax records of a sparse member."""
_FIRST_ENTRIES: Final = range(386, 482, 24)
_MORE_ENTRIES: Final = range(0, 504, 24)
_BLOCK: Final = 512


def gnu_pieces(blocks: Sequence[bytes]) -> tuple[Pieces, int]:
    """Return the pieces and the whole size that a header and its further blocks tell.

    Raises:
        ValueError: a number is damaged.
    """
    places = [(blocks[0], at) for at in _FIRST_ENTRIES]
    places += [(block, at) for block in blocks[1:] for at in _MORE_ENTRIES]
    pieces = [
        (_number(block[at : at + 12]), _number(block[at + 12 : at + 24]))
        for block, at in places
        if block[at]  # an entry that is not used is zero
    ]
    return pieces, _number(blocks[0][483:495])


def pax_pieces(records: Mapping[str, str], stored: bytes) -> tuple[Pieces, int, bytes]:
    """Return the pieces, the whole size, and the stored bytes without a map in front of them.

    Raises:
        ValueError: the map is damaged, or in a version that is not known.
    """
    size = int(records.get(f"{KEY}realsize") or records.get(f"{KEY}size") or "-1")
    if (known := records.get(f"{KEY}map")) is not None:
        numbers = [int(number) for number in known.split(",")]
    elif records.get(f"{KEY}major") == "1":
        count, *_ = stored.split(b"\n", 1)
        lines = stored.split(b"\n", 1 + 2 * int(count))
        numbers = [int(line) for line in lines[1 : 1 + 2 * int(count)]]
        length = len(stored) - len(lines[-1])
        stored = stored[-(-length // _BLOCK) * _BLOCK :]
    else:
        raise ValueError("a version that is not known")
    return list(zip(numbers[::2], numbers[1::2], strict=True)), size, stored


def expanded(pieces: Pieces, size: int, stored: bytes, *, limit: int) -> bytes:
    """Return the whole file, with zeros between its pieces.

    Raises:
        ValueError: a piece lies outside of the file, or is not stored; or the file is larger than
            the limit in bytes.
    """
    if not 0 <= size <= limit:
        raise ValueError(f"it claims {size:,} bytes")
    whole, at = bytearray(size), 0
    for offset, length in pieces:
        if min(offset, length) < 0 or offset + length > size or at + length > len(stored):
            raise ValueError("a piece lies outside of the file")
        whole[offset : offset + length] = stored[at : at + length]
        at += length
    return bytes(whole)


def _number(field: bytes) -> int:
    """Parse an octal number, or a binary one, which begins with the bit 0x80."""
    if field[0] & 0x80:
        return int.from_bytes(bytes([field[0] & 0x7F]) + field[1:], "big")
    return int(field.strip(b" \0") or b"0", 8)
