"""Suffixes of the images in a folder, and the count of those that Pillow cannot read."""

import logging
from pathlib import Path

import pytest
from PIL import Image

import twinlens
from twinlens.errors import quoted
from twinlens.images.limits import FORMATS
from twinlens.images.load import IMAGE_SUFFIXES

UNREADABLE_SUFFIXES = {".pfm"}
"""Floats, whose range is unknown."""


def test_every_suffix_of_the_formats_is_found_in_any_case(tmp_path: Path) -> None:
    Image.init()
    wanted = {suffix for suffix, kind in Image.EXTENSION.items() if kind in (*FORMATS, "MPO")}
    assert wanted - UNREADABLE_SUFFIXES <= IMAGE_SUFFIXES
    for n, suffix in enumerate(sorted(IMAGE_SUFFIXES)):
        (tmp_path / f"{n:02}{suffix.upper() if n % 2 else suffix}").touch()
    assert len([*twinlens.read_images(tmp_path)]) == len(IMAGE_SUFFIXES)


def test_formats_that_are_not_read_are_counted_with_the_cure(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("a.HEIC", "b.heic", "c.heif", "d.jxl", "e.DNG", "f.txt", "g.jpg"):
        (tmp_path / name).touch()
    with caplog.at_level(logging.WARNING):
        assert len([*twinlens.read_images(tmp_path)]) == 1
    (said,) = caplog.messages
    assert said == (
        f"{quoted(str(tmp_path))}: left out, as Pillow does not read them: "
        "2 .heic, 1 .heif, 1 .jxl, 1 .dng; "
        "for HEIC pip install pillow-heif, call pillow_heif.register_heif_opener(), "
        "and give Limits(formats=(..., 'HEIF')); save the others as JPEG or PNG"
    )


def test_a_folder_of_known_formats_is_not_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("a.jpg", "b.txt", "c"):
        (tmp_path / name).touch()
    assert len([*twinlens.read_images(tmp_path)]) == 1
    assert caplog.messages == []


def test_a_format_that_a_plugin_reads_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "a.heic").touch()
    monkeypatch.setitem(Image.EXTENSION, ".heic", "HEIF")
    assert [image.name for image in twinlens.read_images(tmp_path)] == [str(tmp_path / "a.heic")]
    assert caplog.messages == []
