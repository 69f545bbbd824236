"""The square: what the spec shows of a picture, as one row of a batch."""

from typing import Final

import numpy as np
from PIL import Image

from twinlens.bundle.specs import ImageSpec
from twinlens.images.decoded_image import DecodedImage
from twinlens.images.formats.color_modes import flat, is_plain
from twinlens.images.formats.icc_profiles import to_srgb
from twinlens.images.geometry.crop import Framing
from twinlens.images.geometry.resampling import RESAMPLING
from twinlens.images.geometry.resize import needed_part, resize_into, resized
from twinlens.images.open import U8
from twinlens.images.read_options import ReadOptions

LONG_PX: Final = 16_384
"""A box is float32 to Pillow: beyond this it would err by more than a thousandth of a pixel."""


def paint(row: U8, picture: DecodedImage, spec: ImageSpec, read: ReadOptions) -> None:
    """Write the pixels [S, S, 3] of a picture into a row of a batch."""
    image, framing = picture.image, picture.framing(spec)
    resampling = RESAMPLING[spec.interpolation]
    profile = image.info.get("icc_profile") if read.profiles else None
    if not is_plain(image) or max(image.size) > LONG_PX:
        image, framing = needed_part(image, framing, resampling)
        if not (profile and image.mode == "CMYK"):
            image = flat(image, read.background)
    if picture.orientation.turn is None and not profile:
        _paint_upright(row, image, framing, spec)
        return
    # The seen x axis goes first, as if the picture had been turned before.
    small = resized(image, framing, resampling, down_first=picture.orientation.swapped)
    if profile:
        small = to_srgb(small, profile)
    small = _padded(small, framing, spec)
    if picture.orientation.turn is not None:
        small = small.transpose(picture.orientation.turn)
    row[:] = np.asarray(small.convert("RGB"))


def _paint_upright(row: U8, image: Image.Image, framing: Framing, spec: ImageSpec) -> None:
    across, down = framing.across, framing.down
    if (across.length, down.length) != (spec.side_px, spec.side_px):
        row[:] = spec.fill
    seen = row[
        down.place : down.place + down.length,
        across.place : across.place + across.length,
    ]
    resize_into(seen, image, framing, RESAMPLING[spec.interpolation], down_first=False)


def _padded(small: Image.Image, framing: Framing, spec: ImageSpec) -> Image.Image:
    side = (spec.side_px, spec.side_px)
    if small.size == side:
        return small
    square = Image.new("RGB", side, spec.fill)
    square.paste(small, (framing.across.place, framing.down.place))
    return square
