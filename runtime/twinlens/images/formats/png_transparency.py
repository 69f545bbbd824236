"""The transparent colour of a PNG (its tRNS chunk), in the eight bits of Pillow's pixels.

Pillow scales pixels of 1, 2 and 4 bits up to eight, and keeps the upper eight of 16 bits in RGB,
but leaves the transparent colour in the bits of the file, where it equals no pixel or another one.
"""

from typing import Final

from PIL import Image

GRAY_STEPS: Final = {"1": 255, "L;2": 85, "L;4": 17, "L": 1}
"""Levels between neighbouring grays, by Pillow's raw mode of the file's pixels."""
RGB_SHIFTS: Final = {"RGB": 0, "RGB;16B": 8}
"""Bits that Pillow drops of each channel, by raw mode."""


def raw_mode(image: Image.Image) -> str:
    """Return Pillow's raw mode of the pixels in an unread PNG, else ""."""
    tiles = getattr(image, "tile", None)
    if image.format != "PNG" or not tiles:
        return ""
    # The raw mode is the only argument of the decoder, or the first.
    arguments = tiles[0][3]
    return str(arguments[0] if isinstance(arguments, tuple) else arguments)


def scale_transparent_colour(image: Image.Image, raw: str) -> None:
    """Scale the transparent colour of a PNG, just decoded from this raw mode, to eight bits.

    A colour of 16 bits in RGB is compared in its upper eight: Pillow keeps no more of the pixels.
    Bits above the depth have no meaning.
    """
    colour = image.info.get("transparency")
    if raw in GRAY_STEPS and isinstance(colour, int):
        step = GRAY_STEPS[raw]
        image.info["transparency"] = (colour & 255 // step) * step
    elif raw in RGB_SHIFTS and isinstance(colour, tuple):
        image.info["transparency"] = tuple(part >> RGB_SHIFTS[raw] & 255 for part in colour)
