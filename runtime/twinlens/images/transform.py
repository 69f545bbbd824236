"""Transform of a decoded image to the pixels [S, S, 3] of the spec: crop, resize, pad, turn."""

from typing import Final

import numpy as np
from PIL import Image

from twinlens.bundle.specs import ImageSpec
from twinlens.images.decoded_image import DecodedImage
from twinlens.images.formats.color_modes import flatten, is_resizable
from twinlens.images.formats.icc_profiles import to_srgb
from twinlens.images.geometry.crop import CropBox
from twinlens.images.geometry.resampling import FILTERS
from twinlens.images.geometry.resize import crop_to_support, resize_crop, resize_crop_into
from twinlens.images.image_like import U8
from twinlens.images.read_options import ReadOptions

MAX_BOX_PX: Final = 16_384
"""Pillow's crop boxes are float32: beyond this edge length they err by over a thousandth of a
pixel."""


def transform_into(row: U8, decoded: DecodedImage, spec: ImageSpec, read: ReadOptions) -> None:
    """Write the pixels [S, S, 3] of a decoded image into a row of a batch."""
    image, crop = decoded.image, decoded.crop_box(spec)
    resampling = FILTERS[spec.interpolation]
    profile = image.info.get("icc_profile") if read.profiles else None
    if not is_resizable(image) or max(image.size) > MAX_BOX_PX:
        image, crop = crop_to_support(image, crop, resampling)
        if not (profile and image.mode == "CMYK"):
            image = flatten(image, read.background)
    if decoded.orientation.transpose is None and not profile:
        _write_upright(row, image, crop, spec)
        return
    small = resize_crop(image, crop, resampling, vertical_first=crop.vertical_first)
    if profile:
        small = to_srgb(small, profile)
    small = _pad(small, crop, spec)
    if decoded.orientation.transpose is not None:
        small = small.transpose(decoded.orientation.transpose)
    row[:] = np.asarray(small.convert("RGB"))


def _write_upright(row: U8, image: Image.Image, crop: CropBox, spec: ImageSpec) -> None:
    horizontal, vertical = crop.horizontal, crop.vertical
    if (horizontal.length, vertical.length) != (spec.side_px, spec.side_px):
        row[:] = spec.fill
    target = row[
        vertical.offset : vertical.offset + vertical.length,
        horizontal.offset : horizontal.offset + horizontal.length,
    ]
    filter_ = FILTERS[spec.interpolation]
    resize_crop_into(target, image, crop, filter_, vertical_first=crop.vertical_first)


def _pad(small: Image.Image, crop: CropBox, spec: ImageSpec) -> Image.Image:
    size = (spec.side_px, spec.side_px)
    if small.size == size:
        return small
    padded = Image.new("RGB", size, spec.fill)
    padded.paste(small, (crop.horizontal.offset, crop.vertical.offset))
    return padded
