"""Format and size of an encoded image, read from its first bytes.

Pillow is not asked: opening an image inflates the texts of a PNG, up to 64 MB, and allocates the
canvas of a WebP. Here some bytes are read on the event loop, whoever sent them. The figures only
order the work; the decoder checks the image itself.
"""

import base64
import binascii
import struct
from collections.abc import Callable
from typing import Final

from twinlens.images.formats.jpeg_segments import BARE, FRAMES, SOI, SOS
from twinlens.serving.work import ImageHeader

HEAD_BYTES: Final = 1 << 16
"""Bytes looked at; in front of a JPEG's size lie its EXIF data and colour profile."""
MOST_SEGMENTS: Final = 256


def header_of(content: bytes | bytearray | memoryview) -> ImageHeader | None:
    """Return format and pixels of an encoded image; None of a format that is not known here."""
    head = bytes(content[:HEAD_BYTES])
    for magic, read in _READERS:
        if head.startswith(magic):
            try:
                return read(head)
            except struct.error:  # it ends too early
                return None
    return None


def header_of_base64(text: str) -> ImageHeader | None:
    """Return format and pixels of an image in base64 or in a data URI, as `header_of` does."""
    start = text.find(",", 0, 1000) + 1
    characters = text[start : start + HEAD_BYTES * 4 // 3]
    try:
        return header_of(base64.b64decode(characters[: len(characters) // 4 * 4]))
    except (ValueError, binascii.Error):
        return None


def _header(kind: str, width: int, height: int) -> ImageHeader:
    return ImageHeader(kind, abs(width) * abs(height))


def _jpeg(head: bytes) -> ImageHeader | None:
    at = 2
    for _ in range(MOST_SEGMENTS):
        fill, marker = struct.unpack_from(">BB", head, at)
        if fill != 0xFF or marker == SOS[1]:
            return None
        if marker in FRAMES:
            height, width = struct.unpack_from(">HH", head, at + 5)
            return _header("JPEG", width, height)
        at += 1 if marker == 0xFF else 2 if marker in BARE else 2 + _length(head, at + 2)
    return None


def _png(head: bytes) -> ImageHeader:
    return _header("PNG", *struct.unpack_from(">II", head, 16))


def _gif(head: bytes) -> ImageHeader:
    return _header("GIF", *struct.unpack_from("<HH", head, 6))


def _bmp(head: bytes) -> ImageHeader:
    return _header("BMP", *struct.unpack_from("<ii", head, 18))


def _length(head: bytes, at: int) -> int:
    (length,) = struct.unpack_from(">H", head, at)
    return int(length)


def _webp(head: bytes) -> ImageHeader | None:
    kind = head[12:16] if head[8:12] == b"WEBP" else b""
    if kind == b"VP8X":
        width, height = (int.from_bytes(head[at : at + 3], "little") + 1 for at in (24, 27))
        return _header("WEBP", width, height)
    if kind == b"VP8L":
        (bits,) = struct.unpack_from("<I", head, 21)
        return _header("WEBP", (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1)
    if kind == b"VP8 ":
        width, height = struct.unpack_from("<HH", head, 26)
        return _header("WEBP", width & 0x3FFF, height & 0x3FFF)
    return None


_READERS: Final[tuple[tuple[bytes, Callable[[bytes], ImageHeader | None]], ...]] = (
    (SOI, _jpeg),
    (b"\x89PNG\r\n\x1a\n", _png),
    (b"RIFF", _webp),
    (b"GIF87a", _gif),
    (b"GIF89a", _gif),
    (b"BM", _bmp),
)
