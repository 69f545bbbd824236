"""Conversion of every Pillow mode to RGB or L: eight bits a channel, nothing transparent."""

from typing import Final

import numpy as np
from PIL import Image, TiffImagePlugin

from twinlens.errors import ImageError
from twinlens.images.read_options import Colour

RESIZABLE_MODES: Final = frozenset({"RGB", "L"})
"""Modes that are resized unconverted; L becomes RGB only after resizing."""

BITS_PER_SAMPLE: Final = 258
PHOTOMETRIC: Final = 262
WHITE_IS_ZERO: Final = 0


def is_resizable(image: Image.Image) -> bool:
    """Return True if the image can be resized unconverted."""
    return image.mode in RESIZABLE_MODES and not image.has_transparency_data


def to_eight_bit(image: Image.Image, name: str) -> Image.Image:
    """Scale 16-bit gray to eight bits (65535 becomes 255); return other images unchanged.

    Gray with a transparent colour becomes gray with alpha: 257 values of 16 bits share one of 8.

    Raises:
        ImageError: the mode is I or F, whose value range is unknown.
    """
    if image.mode == "I" and image.format == "PPM":  # Pillow scales these to 16 bits
        return _sixteen_to_eight_bit(np.asarray(image).astype(np.uint16))
    if image.mode in ("I", "F"):
        raise ImageError(
            f"{name} has {image.mode} pixels, whose range is not known; convert it to 8 bit"
        )
    if not image.mode.startswith("I;16"):
        return image
    # Pillow would clip everything above 255 to white, and ignores WHITE_IS_ZERO.
    wide = np.asarray(image).astype(np.uint16)
    tags = image.tag_v2 if isinstance(image, TiffImagePlugin.TiffImageFile) else {}
    if tags.get(BITS_PER_SAMPLE) == (12,):
        wide = wide << np.uint16(4) | wide >> np.uint16(8)
    if tags.get(PHOTOMETRIC) == WHITE_IS_ZERO:
        wide = ~wide
    gray, clear = _sixteen_to_eight_bit(wide), image.info.get("transparency")
    if not isinstance(clear, int):
        return gray
    alpha = Image.fromarray(np.where(wide == clear, 0, 255).astype(np.uint8))
    return Image.merge("LA", (gray, alpha))


def flatten(image: Image.Image, background: Colour) -> Image.Image:
    """Convert to RGB or L; transparent pixels are blended with the background."""
    if image.has_transparency_data:
        ground = Image.new("RGBA", image.size, background)
        return Image.alpha_composite(ground, image.convert("RGBA")).convert("RGB")
    if image.mode == "1":
        return image.convert("L")
    return image if image.mode in RESIZABLE_MODES else image.convert("RGB")


def _sixteen_to_eight_bit(wide: np.ndarray[tuple[int, ...], np.dtype[np.uint16]]) -> Image.Image:
    return Image.fromarray(((wide.astype(np.uint32) + 128) // 257).astype(np.uint8))
