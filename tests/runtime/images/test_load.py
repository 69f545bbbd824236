"""The pixels of valid images."""

import io
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from bounded_cost import little_time_and_memory
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from odd_images.makers import encoded
from PIL import Image, ImageOps
from pillow_resize import resized

from twinlens.bundle.specs import ImageSpec
from twinlens.images.geometry.resampling import FILTERS
from twinlens.images.limits import FORMATS
from twinlens.images.load import U8, load, load_batch

SPEC = ImageSpec(side_px=224)
SMALL = ImageSpec(side_px=16)

ROUNDING = 2
"""Largest difference, in levels: the first pass rounds, and the second may magnify the rounding."""

CROPS = {
    "landscape": (0, 0, 640, 427),
    "portrait": (100, 0, 300, 427),
    "square": (50, 0, 477, 427),
    "odd": (3, 5, 340, 422),
    "a wide strip": (0, 100, 640, 117),
    "a tall strip": (30, 0, 47, 427),
    "a stamp": (200, 200, 251, 263),
    "a row": (0, 200, 640, 201),
    "a pixel": (320, 200, 321, 201),
}


def whole_then_crop(image: Image.Image, spec: ImageSpec) -> U8:
    """Reference implementation of a spec: resize the whole image, then crop."""
    side, short = spec.side_px, min(image.size)
    filter_ = FILTERS[spec.interpolation].filter
    width, height = (int(side * length / short) for length in image.size)
    if spec.resize == "squash":
        width, height = side, side
    if spec.crop == "floor":
        left, top = (width - side) // 2, (height - side) // 2
    else:
        left, top = round((width - side) / 2), round((height - side) / 2)
    whole = resized(image.convert("RGB"), (width, height), filter_)
    return np.asarray(whole.crop((left, top, left + side, top + side)))


def levels_apart(left: NDArray[np.uint8], right: NDArray[np.uint8]) -> int:
    return int(np.abs(left.astype(int) - right.astype(int)).max())


@pytest.mark.parametrize("crop", CROPS)
@pytest.mark.parametrize("interpolation", FILTERS)
def test_pixels_are_those_of_resizing_the_whole_and_cropping(
    photos: list[Image.Image], crop: str, interpolation: str
) -> None:
    spec = replace(SPEC, interpolation=interpolation)
    for photo in photos:
        image = photo.crop(CROPS[crop])
        assert levels_apart(load(image, spec), whole_then_crop(image, spec)) <= ROUNDING


@pytest.mark.parametrize("side", [1, 7, 96, 384, 700])
@pytest.mark.parametrize("resize", ["shortest_edge", "squash"])
@pytest.mark.parametrize("rounding", ["floor", "round"])
def test_every_spec_gives_the_pixels_of_the_reference(
    photo: Image.Image, side: int, resize: str, rounding: str
) -> None:
    spec = ImageSpec(side_px=side, resize=resize, crop=rounding)  # type: ignore[arg-type]
    for image in (photo, photo.crop((0, 0, 101, 300))):
        assert levels_apart(load(image, spec), whole_then_crop(image, spec)) <= ROUNDING


@settings(max_examples=60, deadline=None)
@given(
    width=st.integers(1, 90),
    height=st.integers(1, 90),
    side=st.integers(1, 40),
    rounding=st.sampled_from(["floor", "round"]),
)
def test_pixels_of_noise_of_any_size_are_right(
    width: int, height: int, side: int, rounding: str
) -> None:
    noise = np.random.default_rng(width).integers(0, 256, (height, width, 3), dtype=np.uint8)
    spec = ImageSpec(side_px=side, crop=rounding)  # type: ignore[arg-type]
    assert (
        levels_apart(load(noise, spec), whole_then_crop(Image.fromarray(noise), spec)) <= ROUNDING
    )


@settings(max_examples=150, deadline=None)
@given(width=st.integers(1, 150), height=st.integers(1, 150), tag=st.integers(1, 8))
def test_a_squash_is_the_one_resize_of_pillow_to_the_bit(width: int, height: int, tag: int) -> None:
    noise = np.random.default_rng(width).integers(0, 256, (height, width, 3), dtype=np.uint8)
    exif = Image.Exif()
    exif[274] = tag
    content = encoded(Image.fromarray(noise), "PNG", exif=exif)
    with Image.open(io.BytesIO(content)) as stored:
        upright = ImageOps.exif_transpose(stored)
    wanted = np.asarray(resized(upright, (32, 32), Image.Resampling.BICUBIC))
    found = load(content, ImageSpec(side_px=32, resize="squash"))
    np.testing.assert_array_equal(found, wanted)


def test_the_crop_is_rounded_as_the_spec_says() -> None:
    columns = np.repeat(np.arange(7, dtype=np.uint8)[None, :, None], 4, axis=0).repeat(3, axis=2)
    floor, rounded = (
        load(columns, ImageSpec(side_px=4, crop=crop))[0, :, 0].tolist()
        for crop in ("floor", "round")  # type: ignore[arg-type]
    )
    assert (floor, rounded) == ([1, 2, 3, 4], [2, 3, 4, 5])


@pytest.mark.parametrize("shape", [(20_000, 1), (1, 20_000), (3, 2_000_000), (2_000_000, 3)])
def test_a_very_long_image_takes_little_time_and_memory(shape: tuple[int, int]) -> None:
    ramp = np.arange(max(shape), dtype=np.uint32).astype(np.uint8)
    image = Image.fromarray(np.broadcast_to(ramp.reshape(-1, 1) if shape[1] < 9 else ramp, shape))
    image = image.convert("RGB")
    with little_time_and_memory():
        pixels = load(image, SPEC)
    # The middle of the ramp, magnified: a box far from zero would lose its fraction to float32.
    middle = max(shape) // 2
    near = image.crop(
        (0, middle - 50, image.width, middle + 50)
        if shape[1] < 9
        else (middle - 50, 0, middle + 50, image.height)
    )
    assert levels_apart(pixels, whole_then_crop(near, SPEC)) <= ROUNDING


@pytest.mark.parametrize("tag", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("rounding", ["floor", "round"])
def test_files_are_turned_upright(
    photo: Image.Image, tmp_path: Path, tag: int, kind: str, rounding: str
) -> None:
    exif = Image.Exif()
    exif[274] = tag
    spec = ImageSpec(side_px=97, crop=rounding)  # type: ignore[arg-type]
    for image in (photo, photo.crop((0, 0, 150, 307))):
        content = encoded(image, kind, exif=exif)
        path = tmp_path / "image"
        path.write_bytes(content)
        with Image.open(path) as stored:
            upright = whole_then_crop(ImageOps.exif_transpose(stored), spec)
        assert levels_apart(load(content, spec), upright) <= ROUNDING
        np.testing.assert_array_equal(load(path, spec), load(content, spec))


@pytest.mark.parametrize("tag", [0, 9, 65535])
def test_an_orientation_that_means_nothing_is_upright(photo: Image.Image, tag: int) -> None:
    exif = Image.Exif()
    exif[274] = tag
    np.testing.assert_array_equal(load(encoded(photo, "PNG", exif=exif), SMALL), load(photo, SMALL))


def test_a_pil_image_is_taken_as_it_lies(photo: Image.Image) -> None:
    exif = Image.Exif()
    exif[274] = 6
    with Image.open(io.BytesIO(encoded(photo, "PNG", exif=exif))) as turned:
        np.testing.assert_array_equal(load(turned, SMALL), load(photo, SMALL))


@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_that_is_promised_is_decoded(photo: Image.Image, kind: str) -> None:
    content = encoded(photo, kind)
    with Image.open(io.BytesIO(content)) as image:
        wanted = whole_then_crop(image.convert("RGB"), SMALL)
    assert levels_apart(load(content, SMALL), wanted) <= ROUNDING


def test_every_kind_of_source_gives_the_same(photo: Image.Image, tmp_path: Path) -> None:
    content = encoded(photo, "PNG")
    path = tmp_path / "photo without an ending"
    path.write_bytes(content)
    ways = [str(path), path, content, bytearray(content), memoryview(content), photo]
    ways += [np.asarray(photo), np.asfortranarray(photo), np.asarray(photo)[::-1][::-1]]
    pixels = load_batch(ways, SPEC)
    assert (pixels.shape, pixels.dtype) == ((9, 224, 224, 3), np.uint8)
    assert (pixels == pixels[0]).all()
    assert load_batch([], SPEC).shape == (0, 224, 224, 3)


def on_white(image: Image.Image) -> Image.Image:
    rgba = np.asarray(image.convert("RGBA")).astype(float)
    alpha = rgba[:, :, 3:] / 255
    return Image.fromarray(np.rint(rgba[:, :, :3] * alpha + 255 * (1 - alpha)).astype(np.uint8))


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA", "RGBa"])
def test_transparency_lies_on_white(photo: Image.Image, mode: str) -> None:
    image = photo.convert("RGBA")
    image.putalpha(Image.linear_gradient("L").resize(image.size))
    if mode == "PA":
        image = image.convert("P").convert("PA")
    else:
        image = image.convert("LA").convert("LA") if mode == "LA" else image.convert(mode)
    assert image.mode == mode
    wanted = whole_then_crop(on_white(image), SPEC)
    assert levels_apart(load(image, SPEC), wanted) <= ROUNDING
    if mode in ("RGBA", "LA"):
        assert levels_apart(load(encoded(image, "PNG"), SPEC), wanted) <= ROUNDING
    if mode == "RGBA":
        assert levels_apart(load(np.asarray(image), SPEC), wanted) <= ROUNDING


@pytest.mark.parametrize("mode", ["P", "L", "RGB", "1"])
def test_a_transparent_colour_of_a_file_turns_white(mode: str) -> None:
    black = Image.new(mode, (20, 10))
    transparent: int | tuple[int, int, int] = (0, 0, 0) if mode == "RGB" else 0
    assert (load(encoded(black, "PNG"), SMALL) == 0).all()
    assert (load(encoded(black, "PNG", transparency=transparent), SMALL) == 255).all()


@pytest.mark.parametrize("mode", ["1", "L", "P", "CMYK", "YCbCr", "HSV", "RGBX"])
def test_every_mode_becomes_rgb(photo: Image.Image, mode: str) -> None:
    image = photo.convert(mode)
    wanted = whole_then_crop(image.convert("RGB"), SMALL)
    assert levels_apart(load(image, SMALL), wanted) <= ROUNDING


def test_a_cmyk_file_is_decoded_like_pillow_does(photo: Image.Image) -> None:
    content = encoded(photo.convert("CMYK"), "JPEG")
    with Image.open(io.BytesIO(content)) as image:
        assert image.mode == "CMYK"
        assert levels_apart(load(content, SMALL), whole_then_crop(image, SMALL)) <= ROUNDING


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_16_bit_gray_is_scaled_not_clipped(kind: str) -> None:
    wide = np.arange(256, dtype=np.uint16).repeat(256).reshape(256, 256) * 257
    narrow = (wide // 257).astype(np.uint8)
    content = encoded(Image.fromarray(wide), kind)
    np.testing.assert_array_equal(load(content, SPEC), load(narrow, SPEC))
    rounded = load(np.full((4, 4), 200, dtype=np.uint8), ImageSpec(side_px=4))
    for nearly in (200 * 257 - 128, 200 * 257 + 128):
        flat = Image.fromarray(np.full((4, 4), nearly, dtype=np.uint16))
        np.testing.assert_array_equal(load(flat, ImageSpec(side_px=4)), rounded)


def test_of_an_animation_the_first_frame_is_read(photo: Image.Image) -> None:
    frames = [Image.new("RGB", (20, 20), colour) for colour in ("red", "green", "blue")]
    for kind in ("GIF", "WEBP", "PNG"):
        content = encoded(
            frames[0], kind, save_all=True, append_images=frames[1:], **lossless(kind)
        )
        assert (load(content, SMALL) == (255, 0, 0)).all()


def lossless(kind: str) -> dict[str, object]:
    return {"lossless": True} if kind == "WEBP" else {}


@pytest.mark.parametrize("shape", [(9, 12), (9, 12, 1), (9, 12, 3), (9, 12, 4)])
def test_arrays_of_one_three_and_four_channels_are_images(shape: tuple[int, ...]) -> None:
    pixels = np.full(shape, 255, dtype=np.uint8)
    assert (load(pixels, SMALL) == 255).all()


def test_the_array_given_is_left_as_it_is(photo: Image.Image) -> None:
    pixels = np.array(photo)
    load(pixels, SMALL)
    np.testing.assert_array_equal(pixels, np.asarray(photo))


def test_one_unread_image_may_be_given_to_many_threads(photo: Image.Image) -> None:
    content = encoded(photo.resize((1500, 1000)), "JPEG")
    wanted = load(content, SMALL)
    with Image.open(io.BytesIO(content)) as image, ThreadPoolExecutor(8) as pool:
        for pixels in pool.map(lambda _: load(image, SMALL), range(8)):
            np.testing.assert_array_equal(pixels, wanted)
