"""Padding of a letterbox, against open_clip's."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps
from pillow_resize import NO_CHOICE, ORDER_IS_CHOSEN, resized

from twinlens.bundle.specs import ImageSpec
from twinlens.images.geometry.crop import height_first
from twinlens.images.geometry.resampling import FILTERS
from twinlens.images.load import U8, load

ROUNDING = 2
"""Largest difference, in levels; as in test_load.py."""


def letterbox(image: Image.Image, side: int, fill: tuple[int, int, int]) -> U8:
    """Reference implementation of open_clip's ResizeKeepRatio(longest=1) and CenterCropOrPad."""
    ratio = max(image.width / side, image.height / side)
    width, height = (max(1, round(length / ratio)) for length in image.size)
    small = resized(image, (width, height), Image.Resampling.BICUBIC)
    square = Image.new("RGB", (side, side), fill)
    square.paste(small, ((side - width) // 2, (side - height) // 2))
    return np.asarray(square)


UNDONE = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
"""Turn of an upright picture to the pixels that are stored under an EXIF tag."""


@settings(max_examples=60, deadline=None)
@given(width=st.integers(1, 90), height=st.integers(1, 90), side=st.integers(1, 40))
def test_a_letterbox_is_that_of_open_clip(width: int, height: int, side: int) -> None:
    noise = np.random.default_rng(width).integers(0, 256, (height, width, 3), dtype=np.uint8)
    spec = ImageSpec(side_px=side, resize="pad", fill=(9, 8, 7))
    wanted = letterbox(Image.fromarray(noise), side, spec.fill)
    assert np.abs(load(noise, spec).astype(int) - wanted).max() <= ROUNDING


@pytest.mark.parametrize("tag", range(1, 9))
def test_a_letterbox_is_turned_with_its_image(tag: int) -> None:
    photo = Image.fromarray(
        np.random.default_rng(tag).integers(0, 256, (50, 31, 3), dtype=np.uint8)
    )
    exif, file = Image.Exif(), io.BytesIO()
    exif[274] = tag
    photo.save(file, "PNG", exif=exif)
    spec = ImageSpec(side_px=24, resize="pad", fill=(200, 0, 0))
    with Image.open(file) as stored:
        wanted = letterbox(ImageOps.exif_transpose(stored), 24, spec.fill)
    assert np.abs(load(file, spec).astype(int) - wanted).max() <= ROUNDING


@pytest.mark.parametrize("fill", [(0, 0), (0, 0, 256), (-1, 0, 0)])
def test_a_fill_that_is_no_colour_is_refused(fill: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match=r"fill is .*, not three numbers of 0\.\.255"):
        ImageSpec(side_px=4, resize="pad", fill=fill)


@pytest.mark.skipif(not ORDER_IS_CHOSEN, reason=NO_CHOICE)
@settings(max_examples=300, deadline=None)
@given(
    size=st.tuples(st.integers(2, 120), st.integers(2, 120)),
    new=st.tuples(st.integers(2, 60), st.integers(2, 60)),
    filter_=st.sampled_from([resampling.filter for resampling in FILTERS.values()]),
)
def test_the_order_of_the_passes_is_that_of_pillow(
    size: tuple[int, int], new: tuple[int, int], filter_: Image.Resampling
) -> None:
    random = np.random.default_rng(size[0])
    image = Image.fromarray(random.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8))
    between = (size[0], new[1]) if height_first(size, new, "pillow_13") else (new[0], size[1])
    wanted = image.resize(new, filter_)
    np.testing.assert_array_equal(image.resize(between, filter_).resize(new, filter_), wanted)


@settings(max_examples=60, deadline=None)
@given(width=st.integers(2, 90), height=st.integers(2, 400), tag=st.integers(1, 8))
def test_the_other_order_is_the_width_first_of_every_picture(
    width: int, height: int, tag: int
) -> None:
    noise = np.random.default_rng(height).integers(0, 256, (height, width, 3), dtype=np.uint8)
    upright = Image.fromarray(noise)
    # Two calls of any Pillow, each with one pass.
    wanted = np.asarray(
        upright.resize((24, height), Image.Resampling.BICUBIC).resize(
            (24, 24), Image.Resampling.BICUBIC
        )
    )
    spec = ImageSpec(side_px=24, resize="squash", passes="width_first")
    np.testing.assert_array_equal(load(noise, spec), wanted)
    # The order is that of the upright picture, however its file stores it.
    file, exif = io.BytesIO(), Image.Exif()
    exif[274] = tag
    turned = upright if (undo := UNDONE.get(tag)) is None else upright.transpose(undo)
    turned.save(file, "PNG", exif=exif)
    np.testing.assert_array_equal(load(file, spec), wanted)
