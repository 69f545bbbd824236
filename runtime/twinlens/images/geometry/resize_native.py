"""The resizing by the compiled passes: to the bit what Pillow's give, several times sooner."""

from collections.abc import Iterator
from typing import Final

import numpy as np
from PIL import Image, _imaging

from twinlens.images.geometry.crop import Framing, Span
from twinlens.images.geometry.resampling import Resampling
from twinlens.images.open import U8
from twinlens_kernels import resample

BAND_BYTES: Final = 1 << 20
"""So much is copied at a time from an image that lies in several blocks: it stays in the cache."""


def serves(image: Image.Image) -> bool:
    """Whether the compiled passes take this image.

    RGB alone: other modes are rare, cheaper, or may be mapped files, which Pillow cannot show.
    Rows must follow each other; PILLOW_ALIGNMENT puts gaps between them.
    """
    return resample.NATIVE and image.mode == "RGB" and _imaging.get_alignment() == 1


def resize_into(
    target: U8,
    image: Image.Image,
    framing: Framing,
    resampling: Resampling,
    *,
    down_first: bool,
) -> None:
    """Write the framed part into `target` [down.length, across.length, 3]."""
    across, down = framing.across, framing.down
    if down_first:
        first, last = across.needed(resampling.support, image.width)
        between = np.empty((down.length, last - first, 4), dtype=np.uint8)
        taps = _taps(down, image.height, resampling.name)
        for left, part in _parts(image, (first, 0, last, image.height), of_rows=False):
            resample.down(part, taps, between[:, left : left + part.shape[1]])
        resample.across(between, _taps(across.moved(first), last - first, resampling.name), target)
        return
    first, last = down.needed(resampling.support, image.height)
    between = np.empty((last - first, across.length, 3), dtype=np.uint8)
    taps = _taps(across, image.width, resampling.name)
    for top, part in _parts(image, (0, first, image.width, last), of_rows=True):
        resample.across(part, taps, between[top : top + part.shape[0]])
    resample.down(between, _taps(down.moved(first), last - first, resampling.name), target)


def _taps(span: Span, size: int, filter_: resample.Filter) -> "resample.Taps":
    return resample.taps(size, span.start, span.stop, span.length, filter_)


def _parts(
    image: Image.Image, box: tuple[int, int, int, int], *, of_rows: bool
) -> Iterator[tuple[int, U8]]:
    """The pixels in a box as one view, or as copies of bands of it; each with its place there."""
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
