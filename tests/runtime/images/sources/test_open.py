"""Refused inputs, and the text of the errors."""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from bounded_cost import little_time_and_memory
from hypothesis import given, settings
from hypothesis import strategies as st
from odd_images.makers import encoded, png
from PIL import Image

from twinlens.bundle.specs import ImageSpec
from twinlens.errors import ImageError
from twinlens.images.limits import FORMATS, Limits
from twinlens.images.load import load, load_batch

SMALL = ImageSpec(side_px=16)


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
def test_an_image_without_pixels_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ImageError, match=r"an array of shape \[.*\] has no pixels"):
        load(np.ones(shape, dtype=np.uint8), SMALL)
    with pytest.raises(ImageError, match=r"the image is \d x \d: it has no pixels"):
        load(Image.new("RGB", shape[:2]), SMALL)


@pytest.mark.parametrize("thing", [7, 1.5, ["a.png"], object()])
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
