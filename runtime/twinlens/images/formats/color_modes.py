"""The colours: any mode of Pillow's as RGB or L, eight bits a channel, nothing transparent."""

from typing import Final

import numpy as np
from PIL import Image, TiffImagePlugin

from twinlens.errors import ImageError
from twinlens.images.read_options import Colour

PLAIN: Final = frozenset({"RGB", "L"})
"""What can be resized as it is; red, green and blue come out of L only at the end."""

BITS_PER_SAMPLE: Final = 258
PHOTOMETRIC: Final = 262
WHITE_IS_ZERO: Final = 0


def is_plain(image: Image.Image) -> bool:
    """Whether the picture can be resized as it is."""
    return image.mode in PLAIN and not image.has_transparency_data


def eight_bit(image: Image.Image, name: str) -> Image.Image:
    """The picture with eight bits a channel: 65535 is white, as 255 is.

    Raises:
        ImageError: the range of its numbers is not known.
    """
    if image.mode == "I" and image.format == "PPM":  # Pillow scales these to 16 bits
        return _narrow(np.asarray(image).astype(np.uint16))
    if image.mode in ("I", "F"):
        raise ImageError(
            f"{name} has {image.mode} pixels, whose range is not known; convert it to 8 bit"
        )
    if not image.mode.startswith("I;16"):
        return image
    # Pillow would clip everything above 255 to white, and forgets which end white is.
    wide = np.asarray(image).astype(np.uint16)
    tags = image.tag_v2 if isinstance(image, TiffImagePlugin.TiffImageFile) else {}
    if tags.get(BITS_PER_SAMPLE) == (12,):
        wide = wide << np.uint16(4) | wide >> np.uint16(8)
    if tags.get(PHOTOMETRIC) == WHITE_IS_ZERO:
        wide = ~wide
    return _narrow(wide)


def flat(image: Image.Image, background: Colour) -> Image.Image:
    """The picture as RGB or L; transparent pixels show the background."""
    if image.has_transparency_data:
        ground = Image.new("RGBA", image.size, background)
        return Image.alpha_composite(ground, image.convert("RGBA")).convert("RGB")
    if image.mode == "1":
        return image.convert("L")
    return image if image.mode in PLAIN else image.convert("RGB")


def _narrow(wide: np.ndarray[tuple[int, ...], np.dtype[np.uint16]]) -> Image.Image:
    return Image.fromarray(((wide.astype(np.uint32) + 128) // 257).astype(np.uint8))
