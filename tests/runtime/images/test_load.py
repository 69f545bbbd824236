import io
import resource
import struct
import time
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageOps
from sklearn.datasets import load_sample_images

from twinlens.bundle.specs import ImageSpec
from twinlens.errors import ImageError
from twinlens.images.geometry.resampling import FILTERS
from twinlens.images.limits import FORMATS, Limits
from twinlens.images.load import U8, load, load_batch

SPEC = ImageSpec(side_px=224)
SMALL = ImageSpec(side_px=16)

ROUNDING = 2
"""Levels: the first pass rounds to whole levels, and the second may magnify what it rounded."""

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


@pytest.fixture(scope="module")
def photos() -> list[Image.Image]:
    return [Image.fromarray(photo) for photo in load_sample_images().images]


@pytest.fixture(scope="module")
def photo(photos: list[Image.Image]) -> Image.Image:
    return photos[0].crop((100, 20, 500, 327))


def whole_then_crop(image: Image.Image, spec: ImageSpec) -> U8:
    """The meaning of a spec, in its plainest form: the whole picture is resized, then cropped.

    First along x: Pillow always did, until version 13 began to choose.
    """
    side, short = spec.side_px, min(image.size)
    filter_ = FILTERS[spec.interpolation].filter
    width, height = (int(side * length / short) for length in image.size)
    if spec.resize == "squash":
        width, height = side, side
    if spec.crop == "floor":
        left, top = (width - side) // 2, (height - side) // 2
    else:
        left, top = round((width - side) / 2), round((height - side) / 2)
    wide = image.convert("RGB").resize((width, image.height), filter_)
    resized = wide.resize((width, height), filter_)
    return np.asarray(resized.crop((left, top, left + side, top + side)))


def levels_apart(left: NDArray[np.uint8], right: NDArray[np.uint8]) -> int:
    return int(np.abs(left.astype(int) - right.astype(int)).max())


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)  # type: ignore[arg-type]
    return file.getvalue()


@contextmanager
def little_time_and_memory() -> Iterator[None]:
    """What runs within takes less than a second, and lifts the process's high-water mark little."""
    began, peak_kib = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield
    assert time.perf_counter() - began < 1
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak_kib < 100_000


def png(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds next to nothing."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(b"\0" * 100)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in chunks
    )


# What a good picture becomes.


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
def test_every_spec_means_what_its_plainest_form_means(
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


def test_the_crop_is_rounded_as_the_spec_says() -> None:
    columns = np.repeat(np.arange(7, dtype=np.uint8)[None, :, None], 4, axis=0).repeat(3, axis=2)
    floor, rounded = (
        load(columns, ImageSpec(side_px=4, crop=crop))[0, :, 0].tolist()
        for crop in ("floor", "round")  # type: ignore[arg-type]
    )
    assert (floor, rounded) == ([1, 2, 3, 4], [2, 3, 4, 5])


@pytest.mark.parametrize("shape", [(20_000, 1), (1, 20_000), (3, 2_000_000), (2_000_000, 3)])
def test_a_very_long_picture_takes_little_time_and_memory(shape: tuple[int, int]) -> None:
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
        path = tmp_path / "picture"
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


def test_every_way_to_give_a_picture_gives_the_same(photo: Image.Image, tmp_path: Path) -> None:
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


def test_of_a_moving_picture_the_first_frame_is_seen(photo: Image.Image) -> None:
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


# What is refused, and in which words.


def test_a_batch_names_the_first_bad_image(photo: Image.Image) -> None:
    with pytest.raises(ImageError, match=r"^image 2: 3 bytes is no image"):
        load_batch([photo, photo, b"bad", b"worse"], SMALL)


@pytest.mark.parametrize("content", [b"", b"bad", b"hello, world\n" * 1000, b"\x89PNG\r\n\x1a\n"])
def test_what_is_no_image_is_told_what_would_be(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_bytes(content)
    with pytest.raises(
        ImageError, match=r"notes\.txt is no image that can be decoded; known .*PNG"
    ):
        load(path, SMALL)
    with pytest.raises(ImageError, match=rf"^{len(content)} bytes is no image"):
        load(content, SMALL)


@pytest.mark.parametrize("kind", [kind for kind in FORMATS if kind != "AVIF"])
def test_a_cut_file_is_refused(photo: Image.Image, kind: str) -> None:
    content = encoded(photo, kind)
    with pytest.raises(ImageError, match=r"bytes cannot be decoded: |is no image that can be"):
        load(content[: len(content) // 2], SMALL)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_damaged_file_gives_an_image_error_or_pixels(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(["JPEG", "PNG", "WEBP", "GIF", "BMP", "PPM", "TIFF"]))
    exif = Image.Exif()
    exif[274] = 6
    content = bytearray(encoded(Image.linear_gradient("L").resize((9, 13)), kind, exif=exif))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    try:
        assert load(bytes(content), SMALL).shape == (16, 16, 3)
    except ImageError as error:
        assert str(error)  # noqa: PT017  either end is right


def test_what_cannot_be_opened_is_named_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"nowhere\.png cannot be opened: No such file"):
        load(tmp_path / "nowhere.png", SMALL)
    with pytest.raises(ImageError, match="cannot be opened: Is a directory"):
        load(tmp_path, SMALL)
    with pytest.raises(ImageError, match="cannot be opened: embedded null byte"):
        load("a\0b", SMALL)
    with pytest.raises(ImageError, match="cannot be opened: File name too long"):
        load("a" * 5000, SMALL)


def test_eps_is_refused_because_ghostscript_would_run(photo: Image.Image) -> None:
    with pytest.raises(ImageError, match="is no image that can be decoded"):
        load(encoded(photo, "EPS"), SMALL)


@pytest.mark.parametrize(
    ("width", "height", "message"),
    [
        (60_000, 60_000, "has more than 64,000,000 pixels; shrink it first"),
        (9_000, 9_000, "is 9000 x 9000, more than 64,000,000 pixels; shrink it first"),
        (10_000, 10_000, "has more than 64,000,000 pixels; shrink it first"),
    ],
)
def test_a_bomb_is_refused_before_it_is_decoded(width: int, height: int, message: str) -> None:
    content = png(width, height)
    with pytest.raises(ImageError, match=message):
        load(content, SMALL)  # imports Pillow's modules
    with little_time_and_memory(), pytest.raises(ImageError, match=message):
        load(content, SMALL)


def test_a_bomb_that_pil_holds_unread_is_refused_too() -> None:
    with (
        Image.open(io.BytesIO(png(9_000, 9_000))) as image,
        pytest.raises(ImageError, match="the image is 9000 x 9000, more than"),
    ):
        load(image, SMALL)


def test_an_array_of_too_many_pixels_is_refused() -> None:
    pixels = np.broadcast_to(np.uint8(0), (1, Limits().max_pixels + 1))
    with pytest.raises(ImageError, match="the array is 64000001 x 1, more than"):
        load(pixels, SMALL)


@pytest.mark.parametrize("mode", ["I", "F"])
def test_pixels_of_unknown_range_are_refused(mode: str) -> None:
    image = Image.new(mode, (5, 5))
    with pytest.raises(ImageError, match=f"the image has {mode} pixels, whose range is not known"):
        load(image, SMALL)
    with pytest.raises(ImageError, match=f"bytes has {mode} pixels.*convert it to 8 bit"):
        load(encoded(image, "TIFF"), SMALL)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64, np.uint16, bool])
def test_arrays_other_than_uint8_are_refused(dtype: type) -> None:
    with pytest.raises(ImageError, match=r"an array of \w+ is not an image; scale it to 0\.\.255"):
        load(np.ones((4, 4, 3), dtype=dtype), SMALL)  # type: ignore[arg-type]


@pytest.mark.parametrize("shape", [(), (5,), (4, 4, 2), (4, 4, 5), (1, 4, 4, 3), (3, 40, 40)])
def test_arrays_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(
        ImageError, match=r"an array of shape \[.*\] is not an image; wanted \[H, W"
    ):
        load(np.ones(shape, dtype=np.uint8), SMALL)


@pytest.mark.parametrize("shape", [(0, 5), (5, 0), (0, 5, 3), (5, 0, 4)])
def test_a_picture_without_pixels_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ImageError, match=r"an array of shape \[.*\] has no pixels"):
        load(np.ones(shape, dtype=np.uint8), SMALL)
    with pytest.raises(ImageError, match=r"the image is \d x \d: it has no pixels"):
        load(Image.new("RGB", shape[:2]), SMALL)


@pytest.mark.parametrize("thing", [None, 7, 1.5, ["a.png"], object()])
def test_things_that_are_no_images_are_refused(thing: object) -> None:
    with pytest.raises(ImageError, match=r"a \w+ is not an image; give a path, bytes, a PIL image"):
        load(thing, SMALL)  # type: ignore[arg-type]


@pytest.mark.parametrize("spoil", [Image.Image.close, lambda image: image.fp.truncate(500)])
def test_a_pil_image_that_cannot_be_read_any_more_is_refused(
    photo: Image.Image, spoil: Callable[[Image.Image], None]
) -> None:
    with Image.open(io.BytesIO(encoded(photo, "JPEG"))) as image:
        spoil(image)
        with pytest.raises(ImageError, match="the image cannot be decoded: "):
            load(image, SMALL)


def open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="counts open files in /proc")
def test_no_file_stays_open(photo: Image.Image, tmp_path: Path) -> None:
    good, cut, text = (tmp_path / name for name in ("good.jpg", "cut.jpg", "text.jpg"))
    good.write_bytes(encoded(photo, "JPEG"))
    cut.write_bytes(encoded(photo, "JPEG")[:3000])
    text.write_bytes(b"hello")
    before = open_files()
    load(good, SMALL)
    errors = []  # an error kept would keep a file that its frames hold
    for path in (cut, text):
        with pytest.raises(ImageError) as caught:
            load(path, SMALL)
        errors.append(caught.value)
    assert open_files() == before
