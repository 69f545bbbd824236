"""PNGs whose pixels are whole, and whose metadata Pillow refuses: damaged, or larger than 1 MB."""

import zlib
from typing import BinaryIO, Final

SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
KEPT: Final = frozenset({b"tRNS", b"eXIf"})
"""Ancillary chunks that change the pixels: the transparent colour and the orientation."""
PROFILE: Final = b"iCCP"
MAX_PROFILE_BYTES: Final = 1 << 20
"""Pillow refuses a larger ICC profile."""
MAX_CHUNKS: Final = 100_000
"""Chunks looked at; a PNG of 100 MB has some 12,000 chunks of pixels."""
ANCILLARY: Final = 0x20
"""Bit of a chunk's first letter: set in lower case, of chunks that a decoder may pass over."""


def without_metadata(file: BinaryIO) -> bytes | None:
    """Return a PNG without its metadata, or None if it is none, or has no metadata.

    What changes the pixels stays, if it is whole: the transparent colour, the orientation and the
    ICC profile.
    """
    file.seek(0)
    if file.read(len(SIGNATURE)) != SIGNATURE:
        return None
    content, parts, at = file.read(), [SIGNATURE], 0
    for _ in range(MAX_CHUNKS):
        end = at + 12 + int.from_bytes(content[at : at + 4], "big")
        chunk = content[at:end]
        if len(chunk) < 8:
            break
        if not chunk[4] & ANCILLARY or _is_kept(chunk):
            parts.append(chunk)
        at = end
    else:
        return None
    return None if sum(map(len, parts)) == len(SIGNATURE) + len(content) else b"".join(parts)


def _is_kept(chunk: bytes) -> bool:
    name = chunk[4:8]
    if name not in KEPT and name != PROFILE:
        return False
    if zlib.crc32(chunk[4:-4]) != int.from_bytes(chunk[-4:], "big"):
        return False
    return name != PROFILE or _is_profile(chunk[8:-4])


def _is_profile(body: bytes) -> bool:
    """Return True if the body of an iCCP chunk is a profile that Pillow reads."""
    packed = body.partition(b"\0")[2]
    if packed[:1] != b"\0":  # the only method of compression there is
        return False
    try:
        unpacking = zlib.decompressobj()
        unpacking.decompress(packed[1:], MAX_PROFILE_BYTES)
    except zlib.error:
        return False
    return unpacking.eof
