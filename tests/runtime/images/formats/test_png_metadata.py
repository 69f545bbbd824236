"""PNGs whose metadata is damaged or large, and whose pixels are whole."""

import io
import os
import struct
import zlib

import numpy as np
import pytest
from odd_images.damage import with_chunk
from odd_images.makers import chunk, encoded, exif, ramps
from PIL import Image, ImageCms

from twinlens.bundle.specs import ImageSpec
from twinlens.errors import ImageError
from twinlens.images.formats.png_metadata import MAX_CHUNKS, without_metadata
from twinlens.images.load import load
from twinlens.images.read_options import ReadOptions

SPEC = ImageSpec(side_px=16)
TEXT = b"a box, a boat, " * 80_000


def damaged(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + b"\0\0\0\1"


ODD = {
    "zTXt of 1.2 MB": chunk(b"zTXt", b"parameters\0\0" + zlib.compress(TEXT)),
    "iTXt of 1.2 MB": chunk(b"iTXt", b"parameters\0\1\0\0\0" + zlib.compress(TEXT)),
    "iCCP of 1.2 MB": chunk(b"iCCP", b"p\0\0" + zlib.compress(os.urandom(1_200_000))),
    "tEXt of 70 MB in all": chunk(b"tEXt", b"parameters\0" + TEXT) * 60,
    "zTXt of an unknown compression": chunk(b"zTXt", b"a\0\1" + zlib.compress(b"b")),
    "iCCP of an unknown compression": chunk(b"iCCP", b"a\0\1" + zlib.compress(b"b")),
    "iCCP that is not compressed": chunk(b"iCCP", b"a\0\0noise"),
    "tEXt with a wrong checksum": damaged(b"tEXt", b"a\0b"),
    "tRNS with a wrong checksum": damaged(b"tRNS", bytes(6)),
    "a private chunk with a wrong checksum": damaged(b"prVt", b"a"),
    "pHYs too short": chunk(b"pHYs", b"\0\0"),
    "gAMA too short": chunk(b"gAMA", b"\0"),
    "cHRM of 3 bytes": chunk(b"cHRM", b"\0\0\0"),
    "sRGB empty": chunk(b"sRGB", b""),
}


@pytest.mark.parametrize("odd", ODD)
def test_the_pixels_are_read(odd: str) -> None:
    wanted = load(ramps(), SPEC)
    np.testing.assert_array_equal(load(with_chunk(ODD[odd]), SPEC), wanted)
    after = encoded(ramps(), "PNG")
    end = after.index(b"IEND") - 4
    content = after[:end] + ODD[odd] + after[end:]
    np.testing.assert_array_equal(load(io.BytesIO(content), SPEC), wanted)


def test_what_changes_the_pixels_stays() -> None:
    bad = chunk(b"gAMA", b"\0")
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    clear = encoded(ramps(), "PNG", transparency=ramps().getpixel((3, 4)))
    for content in (clear, encoded(ramps(), "PNG", exif=exif(6), icc_profile=profile)):
        at = content.index(b"IDAT") - 4
        read = ReadOptions(profiles=True)
        found = load(content[:at] + bad + content[at:], SPEC, read=read)
        np.testing.assert_array_equal(found, load(content, SPEC, read=read))


def test_damaged_pixels_are_refused_with_any_metadata() -> None:
    content = with_chunk(chunk(b"tEXt", b"a\0b"))
    at = content.index(b"IDAT")
    for spoilt in (content[: at + 60], content[: at + 20] + b"\x55" * 20 + content[at + 40 :]):
        with pytest.raises(ImageError, match="cannot be decoded: "):
            load(spoilt, SPEC)


def test_only_a_png_with_metadata_is_rewritten() -> None:
    plain = encoded(ramps(), "PNG")
    for content in (b"", b"\x89PNG\r\n\x1a\n", plain, plain[:50], encoded(ramps(), "GIF")):
        assert without_metadata(io.BytesIO(content)) is None
    assert without_metadata(io.BytesIO(with_chunk(chunk(b"tEXt", b"a\0b")))) == plain
    many = with_chunk(chunk(b"tEXt", b"") * MAX_CHUNKS)
    assert without_metadata(io.BytesIO(many)) is None
    with Image.open(io.BytesIO(plain)) as image:
        assert image.size == ramps().size
