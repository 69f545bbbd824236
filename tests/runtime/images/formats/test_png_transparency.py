"""The transparent colour of a PNG, at every depth."""

import io
import struct
import zlib

import numpy as np
import pytest
from odd_images.makers import chunk
from PIL import Image

from twinlens.bundle.specs import ImageSpec
from twinlens.images.kept import keep
from twinlens.images.limits import LIMITS
from twinlens.images.load import load

SIDE = 32
SPEC = ImageSpec(side_px=SIDE)
GRAY, RGB = 0, 2


def png(depth: int, kind: int, levels: tuple[int, int], clear: int) -> bytes:
    """Left half of one level of the depth, right half of another, and the level that is clear."""
    channels = 1 if kind == GRAY else 3
    bits = [f"{level:0{depth}b}" * channels * (SIDE // 2) for level in levels]
    row = int("".join(bits), 2).to_bytes(SIDE * channels * depth // 8, "big")
    header = struct.pack(">IIBBBBB", SIDE, SIDE, depth, kind, 0, 0, 0)
    body = chunk(b"tRNS", struct.pack(">H", clear) * channels)
    body += chunk(b"IDAT", zlib.compress((b"\0" + row) * SIDE)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + body


@pytest.mark.parametrize(
    ("depth", "kind", "levels", "clear", "wanted"),
    [
        (1, GRAY, (1, 0), 1, (255, 0)),
        (1, GRAY, (0, 1), 0, (255, 255)),
        (2, GRAY, (1, 2), 1, (255, 170)),
        (2, GRAY, (1, 2), 2, (85, 255)),
        (2, GRAY, (1, 2), 85, (255, 170)),  # the bits above the depth have no meaning
        (4, GRAY, (3, 10), 3, (255, 170)),
        (4, GRAY, (3, 10), 51, (255, 170)),
        (4, GRAY, (3, 0), 10, (51, 0)),
        (8, GRAY, (0x33, 0xAA), 0x33, (255, 0xAA)),
        (8, GRAY, (0x33, 0xAA), 0xFF33, (255, 0xAA)),
        (8, RGB, (0x33, 0xAA), 0x0133, (255, 0xAA)),
        (16, GRAY, (0x3333, 0xAAAA), 0x3333, (255, 0xAA)),
        (16, GRAY, (0x3333, 0x3334), 0x3333, (255, 0x33)),
        (8, RGB, (0x33, 0xAA), 0x33, (255, 0xAA)),
        (16, RGB, (0x3312, 0xAAAA), 0x3312, (255, 0xAA)),
        (16, RGB, (0x3312, 0xAAAA), 0xAAAA, (0x33, 255)),
    ],
)
def test_the_background_shows_where_the_colour_is_transparent(
    depth: int, kind: int, levels: tuple[int, int], clear: int, wanted: tuple[int, int]
) -> None:
    content = png(depth, kind, levels, clear)
    image = Image.open(io.BytesIO(content))
    kept = keep(Image.open(io.BytesIO(content)), LIMITS).image
    for given in (content, image, image, kept):  # an image that is given twice is scaled once
        pixels = load(given, SPEC)  # type: ignore[arg-type]
        assert [pixels[9, 3].tolist(), pixels[9, SIDE - 3].tolist()] == [[n] * 3 for n in wanted]


def test_a_transparent_colour_that_is_in_no_pixel_changes_nothing() -> None:
    for depth in (1, 2, 4, 8, 16):
        opaque = load(png(depth, GRAY, (0, 0), 1), SPEC)
        np.testing.assert_array_equal(opaque, np.zeros_like(opaque))
