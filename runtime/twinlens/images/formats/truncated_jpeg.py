"""JPEGs without their EOI (end of image) marker, told from truncated ones.

Pillow refuses both. An image without its EOI marker is complete: bytes appended to it do not change
any pixel. That is the test: two different endings must decode to the same pixels.
"""

import io
from typing import Final

from PIL import Image, ImageChops

SOI: Final = b"\xff\xd8"
"""Start of image."""
EOI: Final = b"\xff\xd9"
"""End of image."""
NOISE: Final = bytes(range(1, 255)) * 2
"""Bytes that would be decoded into visible pixels if a block were missing. They hold no 0xff, so no
marker."""


def restore_eoi(content: bytes) -> bytes | None:
    """Append the EOI marker to a JPEG; return None if more than the marker is missing."""
    if content[:2] != SOI:
        return None
    plain, noisy = content + EOI, content + NOISE + EOI
    if ImageChops.difference(_decode(plain), _decode(noisy)).getbbox() is not None:
        return None
    return plain


def _decode(content: bytes) -> Image.Image:
    with Image.open(io.BytesIO(content), formats=("JPEG",)) as image:
        image.load()
        return image
