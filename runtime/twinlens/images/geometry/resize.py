"""The resizing: the framed part of a picture in two explicit passes, the crop as a box.

One resize of the whole picture followed by a crop gives the same pixels, but computes what is
thrown away; and one resize with a box lets Pillow (from version 13 on) choose the order of its
passes, which drifts by up to 10 levels on portraits.
"""

import numpy as np
from PIL import Image

from twinlens.images.geometry import resize_native
from twinlens.images.geometry.crop import Framing
from twinlens.images.geometry.resampling import Resampling
from twinlens.images.open import U8

Box = tuple[float, float, float, float]
"""Left, top, right and bottom."""


def needed_part(
    image: Image.Image, framing: Framing, resampling: Resampling
) -> tuple[Image.Image, Framing]:
    """The pixels that decide the outcome, and the framing within them."""
    left, right = framing.across.needed(resampling.support, image.width)
    top, bottom = framing.down.needed(resampling.support, image.height)
    part = image.crop((left, top, right, bottom))
    return part, Framing(across=framing.across.moved(left), down=framing.down.moved(top))


def resize_into(
    target: U8, image: Image.Image, framing: Framing, resampling: Resampling, *, down_first: bool
) -> None:
    """Write the framed part of an image that is RGB or L into [down.length, across.length, 3]."""
    if resize_native.serves(image):
        resize_native.resize_into(target, image, framing, resampling, down_first=down_first)
    else:
        small = by_pillow(image, framing, resampling, down_first=down_first)
        target[:] = np.asarray(small.convert("RGB"))


def resized(
    image: Image.Image, framing: Framing, resampling: Resampling, *, down_first: bool
) -> Image.Image:
    """The framed part, [down.length, across.length] pixels, in the image's own mode."""
    if resize_native.serves(image):
        pixels = np.empty((framing.down.length, framing.across.length, 3), dtype=np.uint8)
        resize_into(pixels, image, framing, resampling, down_first=down_first)
        return Image.fromarray(pixels)
    return by_pillow(image, framing, resampling, down_first=down_first)


def by_pillow(
    image: Image.Image, framing: Framing, resampling: Resampling, *, down_first: bool
) -> Image.Image:
    """What `resized` gives, by Pillow's own passes."""
    across, down, filter_ = framing.across, framing.down, resampling.filter
    box: Box
    rest: Box
    if down_first:
        first, last = across.needed(resampling.support, image.width)
        size, box = (last - first, down.length), (first, down.start, last, down.stop)
        across = across.moved(first)
        rest = (across.start, 0, across.stop, down.length)
    else:
        first, last = down.needed(resampling.support, image.height)
        size, box = (across.length, last - first), (across.start, first, across.stop, last)
        down = down.moved(first)
        rest = (0, down.start, across.length, down.stop)
    # One call would let Pillow choose the order; the rows or columns of `box` are the rest's needs.
    return image.resize(size, filter_, box).resize((across.length, down.length), filter_, rest)
