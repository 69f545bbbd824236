"""Images kept as they are drawn."""

import io
import os
from collections import deque
from pathlib import Path

import numpy as np
import pytest
from odd_images.makers import encoded
from PIL import Image

from twinlens.bundle.specs import ImageSpec
from twinlens.images.decoder import Decoder
from twinlens.images.kept import KeptImage, drawn, keep
from twinlens.images.limits import LIMITS, Limits
from twinlens.images.load import load
from twinlens.images.named_image import ListedImage, NamedImage
from twinlens.images.pixel_options import PixelOptions

SMALL = ImageSpec(side_px=16)
DECODE = Decoder(spec=SMALL, pixels=PixelOptions())


@pytest.mark.parametrize("collection", [list, tuple, deque])
def test_members_of_a_collection_are_not_copied(collection: type, photo: Image.Image) -> None:
    images = collection([b"content", "path.png", np.asarray(photo), photo])
    assert drawn(images, LIMITS) is images
    columns = {"image": images}
    assert [*drawn(columns.values(), LIMITS)] == [images]


def test_bytes_and_listed_paths_are_not_copied() -> None:
    content = b"content"
    kept = keep(content, LIMITS)
    assert isinstance(kept, KeptImage)
    assert kept.image is content
    listed = ListedImage("a.png", Path("a.png"))
    assert keep(listed, LIMITS) is listed


def test_a_kept_image_has_the_pixels_of_the_given_one(photo: Image.Image, tmp_path: Path) -> None:
    wide = Image.fromarray(np.asarray(photo.convert("L")).astype(np.uint16) * 257)
    clear = photo.convert("RGBA")
    clear.putalpha(Image.linear_gradient("L").resize(photo.size))
    files = {
        "jpeg": encoded(photo, "JPEG"),
        "progressive": encoded(photo, "JPEG", progressive=True),
        "cmyk": encoded(photo.convert("CMYK"), "JPEG"),
        "mpo": encoded(photo, "MPO", save_all=True, append_images=[photo.rotate(90)]),
        "png": encoded(clear, "PNG"),
        "palette": encoded(photo.quantize(16), "PNG", transparency=3),
        "animated": encoded(photo, "PNG", save_all=True, append_images=[photo.rotate(90)]),
        "16 bit": encoded(wide, "PNG"),
        "pgm": encoded(wide, "PPM"),
        "tiff": encoded(wide, "TIFF"),
        "gif": encoded(photo, "GIF", save_all=True, append_images=[photo.rotate(90)]),
        "webp": encoded(clear, "WEBP", lossless=True),
        "avif": encoded(photo, "AVIF"),
    }
    for name, content in files.items():
        with Image.open(io.BytesIO(content)) as image:
            kept = keep(image, LIMITS)
        wanted = Image.open(io.BytesIO(content))
        np.testing.assert_array_equal(DECODE((0, kept)).pixels, load(wanted, SMALL), err_msg=name)
        with Image.open(io.BytesIO(content)) as image:
            image.load()
            kept = keep(image, LIMITS)
        np.testing.assert_array_equal(DECODE((0, kept)).pixels, load(wanted, SMALL), err_msg=name)


def test_an_unread_jpeg_is_read_and_decoded_later(photo: Image.Image) -> None:
    with Image.open(io.BytesIO(encoded(photo, "JPEG"))) as image:
        kept = keep(image, LIMITS)
        assert image.tile  # type: ignore[attr-defined]
        np.testing.assert_array_equal(DECODE((0, kept)).pixels, load(image, SMALL))


def test_a_draft_and_a_later_frame_are_kept(photo: Image.Image) -> None:
    with Image.open(io.BytesIO(encoded(photo, "JPEG"))) as image:
        image.draft("L", (100, 76))
        kept = keep(image, LIMITS)
        assert image.size == (100, 77)
        np.testing.assert_array_equal(DECODE((0, kept)).pixels, load(image, SMALL))
    content = encoded(photo, "PNG", save_all=True, append_images=[photo.rotate(90)])
    with Image.open(io.BytesIO(content)) as image:
        image.seek(1)
        kept = keep(image, LIMITS)
        image.seek(0)
    np.testing.assert_array_equal(DECODE((0, kept)).pixels, load(photo.rotate(90), SMALL))


def test_what_is_beyond_the_limits_is_not_copied(tmp_path: Path) -> None:
    limits = Limits(max_pixels=10, max_bytes=10)
    pixels = np.zeros((9, 9, 3), dtype=np.uint8)
    assert keep(pixels, limits).image is pixels
    (tmp_path / "a").write_bytes(bytes(1000))
    with (tmp_path / "a").open("rb") as file:
        for given in (bytearray(100), os.fspath(tmp_path / "a"), file):
            assert "more than 10 bytes" in str(keep(given, limits).image)


def test_the_name_stays(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"bad")
    for given, name in (
        (tmp_path / "a", str(tmp_path / "a")),
        (NamedImage("b", tmp_path / "a"), "b"),
        (io.BytesIO(b"bad"), "image 3"),
    ):
        assert DECODE((3, keep(given, LIMITS))).name == name
