"""Resizing of a crop in two explicit passes, with the crop as the box of each pass.

One resize of the whole image followed by a crop gives the same pixels, but computes pixels that the
crop drops; and one resize with a box lets Pillow (from version 13 on) choose the order of its
passes by the box, not by the whole image.
"""

import numpy as np
from PIL import Image

from twinlens.images.geometry import resize_native
from twinlens.images.geometry.crop import CropBox
from twinlens.images.geometry.resampling import ResamplingFilter
from twinlens.images.image_like import U8

Box = tuple[float, float, float, float]
"""Left, top, right and bottom."""


def crop_to_support(
    image: Image.Image, crop: CropBox, resampling: ResamplingFilter
) -> tuple[Image.Image, CropBox]:
    """Cut the pixels that the crop depends on, and return them with the crop within them."""
    left, right = crop.horizontal.source_range(resampling.support, image.width)
    top, bottom = crop.vertical.source_range(resampling.support, image.height)
    part = image.crop((left, top, right, bottom))
    return part, crop.shifted(left, top)


def resize_crop_into(
    target: U8,
    image: Image.Image,
    crop: CropBox,
    resampling: ResamplingFilter,
    *,
    vertical_first: bool,
) -> None:
    """Resize a crop of an RGB or L image into `target` [vertical.length, horizontal.length, 3]."""
    if resize_native.supports(image):
        resize_native.resize_rgb_into(
            target, image, crop, resampling, vertical_first=vertical_first
        )
    else:
        small = resize_by_pillow(image, crop, resampling, vertical_first=vertical_first)
        target[:] = np.asarray(small.convert("RGB"))


def resize_crop(
    image: Image.Image, crop: CropBox, resampling: ResamplingFilter, *, vertical_first: bool
) -> Image.Image:
    """Resize a crop to [vertical.length, horizontal.length] pixels, in the image's own mode."""
    if resize_native.supports(image):
        pixels = np.empty((crop.vertical.length, crop.horizontal.length, 3), dtype=np.uint8)
        resize_crop_into(pixels, image, crop, resampling, vertical_first=vertical_first)
        return Image.fromarray(pixels)
    return resize_by_pillow(image, crop, resampling, vertical_first=vertical_first)


def resize_by_pillow(
    image: Image.Image, crop: CropBox, resampling: ResamplingFilter, *, vertical_first: bool
) -> Image.Image:
    """Resize a crop by Pillow's own passes; same result as `resize_crop`."""
    horizontal, vertical, filter_ = crop.horizontal, crop.vertical, resampling.filter
    box: Box
    rest: Box
    if vertical_first:
        first, last = horizontal.source_range(resampling.support, image.width)
        size, box = (last - first, vertical.length), (first, vertical.start, last, vertical.stop)
        horizontal = horizontal.shifted(first)
        rest = (horizontal.start, 0, horizontal.stop, vertical.length)
    else:
        first, last = vertical.source_range(resampling.support, image.height)
        size = (horizontal.length, last - first)
        box = (horizontal.start, first, horizontal.stop, last)
        vertical = vertical.shifted(first)
        rest = (0, vertical.start, horizontal.length, vertical.stop)
    # Two calls, because one lets Pillow choose the order; `box` keeps the pixels `rest` depends on.
    small = image.resize(size, filter_, box)
    return small.resize((horizontal.length, vertical.length), filter_, rest)
