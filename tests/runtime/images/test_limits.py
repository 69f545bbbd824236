"""Limits and read options, and files beyond them."""

import io
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from odd_images.makers import encoded, png, ramps
from PIL import Image, ImageFile

from twinlens.bundle.specs import ImageSpec
from twinlens.errors import ImageError
from twinlens.images.limits import FORMATS, Limits
from twinlens.images.load import load, load_batch, load_into
from twinlens.images.read_options import ReadOptions

SPEC = ImageSpec(side_px=8)
CONTENT = encoded(ramps(), "PNG")


def read(**limits: object) -> ReadOptions:
    return ReadOptions(limits=Limits(**limits))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"max_pixels": 0}, "max_pixels is 0, not a positive number"),
        ({"max_bytes": -1}, "max_bytes is -1, not a positive number"),
        ({"max_scans": 0}, "max_scans is 0, not a positive number"),
        ({"formats": ()}, "formats is empty; name one, such as JPEG"),
        ({"formats": ("PNG", "EPS")}, "formats has EPS, for which Pillow would run Ghostscript"),
    ],
)
def test_limits_that_mean_nothing_are_refused(limits: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Limits(**limits)


def test_a_limit_is_the_most_that_is_allowed() -> None:
    just = read(max_pixels=ramps().width * ramps().height, max_bytes=len(CONTENT))
    np.testing.assert_array_equal(load(CONTENT, SPEC, read=just), load(ramps(), SPEC))


@pytest.mark.parametrize("wrap", [bytes, bytearray, memoryview, io.BytesIO])
def test_too_many_bytes_are_refused_whatever_holds_them(wrap: Callable[[bytes], Any]) -> None:
    with pytest.raises(ImageError, match=r"has more than 100 bytes; shrink it first, or raise"):
        load(wrap(CONTENT), SPEC, read=read(max_bytes=100))


def test_a_file_of_a_terabyte_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "hole.jpg"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(ImageError, match=r"hole\.jpg has more than 100,000,000 bytes"):
        load(path, SPEC)


def test_a_stream_without_end_is_refused() -> None:
    class Endless(io.RawIOBase):
        def readable(self) -> bool:
            return True

        def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
            buffer[:] = bytes(len(buffer))
            return len(buffer)

    with pytest.raises(ImageError, match="the Endless has more than 1,000,000 bytes"):
        load(Endless(), SPEC, read=read(max_bytes=1_000_000))  # type: ignore[arg-type]


def test_a_format_may_be_added() -> None:
    content = encoded(ramps(), "TGA")
    more = read(formats=(*FORMATS, "TGA"))
    np.testing.assert_array_equal(load(content, SPEC, read=more), load(ramps(), SPEC))


@pytest.mark.parametrize("kind", [kind for kind in FORMATS if kind != "PNG"])
def test_a_format_that_is_forbidden_is_never_decoded(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = encoded(ramps(), kind)
    (tmp_path / "a").write_bytes(content)
    loads: list[object] = []
    monkeypatch.setattr(ImageFile.ImageFile, "load", loads.append)
    for given in (content, content[:-2], tmp_path / "a", io.BytesIO(content)):
        with pytest.raises(ImageError, match=r"known are PNG$"):
            load(given, SPEC, read=read(formats=("PNG",)))
    assert loads == []


@pytest.mark.parametrize(
    ("side", "limit", "pillow", "message"),
    [
        (200, 64_000_000, 1_000, "has 40,000 pixels, which Pillow itself refuses above 2,000;"),
        (200, 10_000, 1_000, "has more than 10,000 pixels; shrink it first"),
        (200, 10_000, None, "is 200 x 200, more than 10,000 pixels; shrink it first"),
    ],
)
def test_the_limit_that_is_named_is_the_one_that_was_passed(
    side: int, limit: int, pillow: int | None, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", pillow)
    with pytest.raises(ImageError, match=message):
        load(png(side, side), SPEC, read=read(max_pixels=limit))


@pytest.mark.parametrize("background", [(0, 0), (0, 0, 256), (-1, 0, 0)])
def test_a_background_that_is_no_colour_is_refused(background: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match=r"background is .*, not three numbers of 0\.\.255"):
        ReadOptions(background=background)


def test_files_are_named_in_errors_and_stay_open(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_bytes(b"notes")
    with path.open("rb") as file:
        with pytest.raises(ImageError, match=r"notes\.txt is no image"):
            load(file, SPEC)
        assert not file.closed
    with (
        tempfile.SpooledTemporaryFile() as file,
        pytest.raises(ImageError, match="the SpooledTemporaryFile is no image"),
    ):
        load(file, SPEC)


def test_one_file_may_be_given_twice() -> None:
    file = io.BytesIO(CONTENT)
    first, second = load_batch([file, file], SPEC)
    np.testing.assert_array_equal(first, second)


def test_pixels_are_written_into_the_row_that_is_given() -> None:
    batch = np.zeros((2, 8, 8, 3), dtype=np.uint8)
    load_into(batch[1], CONTENT, SPEC)
    assert not batch[0].any()
    np.testing.assert_array_equal(batch[1], load(CONTENT, SPEC))
