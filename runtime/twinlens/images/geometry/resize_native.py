"""Resizing by the compiled passes: bit-identical to Pillow's, several times faster."""

from collections.abc import Iterator
from typing import Final

import numpy as np
from PIL import Image, _imaging

from twinlens.images.geometry.crop import AxisCrop, CropBox
from twinlens.images.geometry.resampling import ResamplingFilter
from twinlens.images.image_like import U8
from twinlens_kernels import resample

BAND_BYTES: Final = 1 << 20
"""Bytes copied at a time from an image in several memory blocks, so that they stay in the cache."""


def supports(image: Image.Image) -> bool:
    """Return True if the compiled passes accept this image.

    RGB only: other modes are rare, cheaper, or may be memory-mapped files, which Pillow cannot
    expose. Rows must be contiguous, and a band must fit into one block of memory: PILLOW_ALIGNMENT
    puts gaps between rows, PILLOW_BLOCK_SIZE can make blocks of one row.
    """
    return (
        resample.NATIVE
        and image.mode == "RGB"
        and _imaging.get_alignment() == 1
        and _imaging.get_block_size() >= 2 * BAND_BYTES
    )


def resize_rgb_into(
    target: U8,
    image: Image.Image,
    crop: CropBox,
    resampling: ResamplingFilter,
    *,
    vertical_first: bool,
) -> None:
    """Resize a crop of an RGB image into `target` [vertical.length, horizontal.length, 3]."""
    horizontal, vertical = crop.horizontal, crop.vertical
    if vertical_first:
        first, last = horizontal.source_range(resampling.support, image.width)
        between = np.empty((vertical.length, last - first, 4), dtype=np.uint8)
        taps = _taps(vertical, image.height, resampling.name)
        for left, part in _bands(image, (first, 0, last, image.height), of_rows=False):
            resample.down(part, taps, between[:, left : left + part.shape[1]])
        taps = _taps(horizontal.shifted(first), last - first, resampling.name)
        resample.across(between, taps, target)
        return
    first, last = vertical.source_range(resampling.support, image.height)
    between = np.empty((last - first, horizontal.length, 3), dtype=np.uint8)
    taps = _taps(horizontal, image.width, resampling.name)
    for top, part in _bands(image, (0, first, image.width, last), of_rows=True):
        resample.across(part, taps, between[top : top + part.shape[0]])
    resample.down(between, _taps(vertical.shifted(first), last - first, resampling.name), target)


def _taps(crop: AxisCrop, size: int, filter_: resample.Filter) -> "resample.Taps":
    return resample.taps(size, crop.start, crop.stop, crop.length, filter_)


def _bands(
    image: Image.Image, box: tuple[int, int, int, int], *, of_rows: bool
) -> Iterator[tuple[int, U8]]:
    """Yield the pixels in a box as one view, or as copies of bands; each with its offset there."""
    left, top, right, bottom = box
    try:
        whole = resample.pixels(image, image.height, image.width)
    except ValueError:  # above 16 MB Pillow keeps an image in several blocks
        pass
    else:
        yield 0, whole[top:bottom, left:right]
        return
    start, stop, breadth = (top, bottom, right - left) if of_rows else (left, right, bottom - top)
    step = max(1, BAND_BYTES // (4 * breadth))
    for at in range(start, stop, step):
        end = min(stop, at + step)
        band = image.crop((left, at, right, end) if of_rows else (at, top, end, bottom))
        yield at - start, resample.pixels(band, band.height, band.width)
