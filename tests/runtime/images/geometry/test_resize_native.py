"""Equality of the compiled passes and Pillow's."""

import io
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from twinlens.bundle.specs import ImageSpec
from twinlens.images.geometry import resize_native
from twinlens.images.geometry.crop import crop_box
from twinlens.images.geometry.exif_orientation import ORIENTATIONS, UPRIGHT
from twinlens.images.geometry.resampling import FILTERS
from twinlens.images.geometry.resize import resize_by_pillow, resize_crop
from twinlens.images.load import U8, load
from twinlens_kernels import resample

pytestmark = pytest.mark.skipif(not resample.NATIVE, reason="the kernels are not compiled")

SPEC = ImageSpec(side_px=56)
LONG = (1, 2, 3, 5, 31, 56, 57, 64, 100, 223, 333)


def noise(width: int, height: int, mode: str = "RGB") -> Image.Image:
    random = np.random.default_rng(width + 1000 * height)
    return Image.fromarray(random.integers(0, 256, (height, width, 3), dtype=np.uint8)).convert(
        mode
    )


@settings(max_examples=200, deadline=None)
@given(
    size=st.tuples(st.sampled_from(LONG), st.sampled_from(LONG)),
    side=st.integers(1, 60),
    resize=st.sampled_from(["crop", "squash", "pad"]),
    interpolation=st.sampled_from(list(FILTERS)),
    tag=st.integers(1, 8),
)
def test_the_two_resizings_are_one(
    size: tuple[int, int], side: int, resize: str, interpolation: str, tag: int
) -> None:
    spec = replace(SPEC, side_px=side, resize=resize, interpolation=interpolation)
    image, orientation = noise(*size), ORIENTATIONS.get(tag, UPRIGHT)
    crop, resampling = crop_box(image.size, spec, orientation), FILTERS[interpolation]
    for vertical_first in (False, True):
        wanted = resize_by_pillow(image, crop, resampling, vertical_first=vertical_first)
        found = resize_crop(image, crop, resampling, vertical_first=vertical_first)
        np.testing.assert_array_equal(np.asarray(found), np.asarray(wanted))


def both(content: bytes, spec: ImageSpec, monkeypatch: pytest.MonkeyPatch) -> tuple[U8, U8]:
    compiled = load(content, spec)
    with monkeypatch.context() as patch:
        patch.setattr(resize_native, "supports", lambda _: False)
        return compiled, load(content, spec)


@pytest.mark.parametrize("mode", ["RGB", "L", "P", "CMYK", "RGBA", "LA"])
@pytest.mark.parametrize("resize", ["crop", "squash", "pad"])
@pytest.mark.parametrize("tag", [1, 2, 6])
def test_files_become_the_same_pixels(
    mode: str, resize: str, tag: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    exif, file = Image.Exif(), io.BytesIO()
    exif[274] = tag
    noise(131, 97, mode).save(file, "TIFF", exif=exif)
    spec = replace(SPEC, resize=resize, fill=(9, 8, 7))
    compiled, plain = both(file.getvalue(), spec, monkeypatch)
    np.testing.assert_array_equal(compiled, plain)


@pytest.mark.parametrize("vertical_first", [False, True])
@pytest.mark.parametrize("size", [(2500, 1900), (1900, 2500)])
def test_an_image_in_several_blocks_is_taken_in_bands(
    size: tuple[int, int], vertical_first: bool
) -> None:
    image = noise(*size)
    # Pillow 11 has the second wording.
    with pytest.raises(ValueError, match=r"contiguous|multiple array blocks"):
        resample.pixels(image, image.height, image.width)
    crop, resampling = crop_box(size, SPEC, UPRIGHT), FILTERS["bicubic"]
    wanted = resize_by_pillow(image, crop, resampling, vertical_first=vertical_first)
    found = resize_crop(image, crop, resampling, vertical_first=vertical_first)
    np.testing.assert_array_equal(np.asarray(found), np.asarray(wanted))


def test_rows_with_gaps_are_left_to_pillow(monkeypatch: pytest.MonkeyPatch) -> None:
    image = noise(9, 5)
    assert resize_native.supports(image)
    assert not resize_native.supports(image.convert("L"))
    monkeypatch.setattr(resize_native._imaging, "get_alignment", lambda: 64)
    assert not resize_native.supports(image)


@pytest.mark.parametrize("block_bytes", [4096, 65_536, 2**20, 2**21])
def test_memory_blocks_of_any_size_give_the_same_pixels(block_bytes: int) -> None:
    file = io.BytesIO()
    noise(700, 900).save(file, "PNG")
    wanted = load(file, SPEC)
    before = resize_native._imaging.get_block_size()
    resize_native._imaging.set_block_size(block_bytes)
    try:
        np.testing.assert_array_equal(load(file, SPEC), wanted)
    finally:
        resize_native._imaging.set_block_size(before)
