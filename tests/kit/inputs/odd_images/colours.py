"""Colour modes, bit depths, transparency and colour profiles."""

import struct
import zlib
from typing import Any, Final

import numpy as np
from PIL import Image, ImageCms

from odd_images.makers import (
    BLUE,
    HEIGHT,
    RED,
    WHITE,
    WIDTH,
    chunk,
    encoded,
    gray,
    plain,
    png,
    ramps,
    saved,
)
from odd_images.odd_input import OddInput, Refused, loaded
from twinlens.images.read_options import ReadOptions


def clear_to_right() -> Image.Image:
    """RGBA, more and more transparent to the right."""
    image = ramps().convert("RGBA")
    image.putalpha(Image.linear_gradient("L").rotate(90).resize(image.size))
    return image


def blended(image: Image.Image, background: tuple[int, ...]) -> Image.Image:
    """The image over a background, in floats, by the definition of "over"."""
    rgba = np.asarray(image.convert("RGBA")).astype(float)
    alpha = rgba[:, :, 3:] / 255
    rgb = rgba[:, :, :3] * alpha + np.array(background) * (1 - alpha)
    return Image.fromarray(np.rint(rgb).astype(np.uint8))


def wide(image: Image.Image) -> np.ndarray[Any, np.dtype[np.uint16]]:
    """Gray in 16 bits."""
    return np.asarray(image).astype(np.uint16) * 257


def tiff(rows: bytes, *, bits: int, photometric: int, order: str = "<", kind: int = 1) -> bytes:
    """An uncompressed gray TIFF of WIDTH x HEIGHT; `kind` 1 is unsigned, 2 signed, 3 float."""
    tags = [
        (256, 3, WIDTH),
        (257, 3, HEIGHT),
        (258, 3, bits),
        (259, 3, 1),
        (262, 3, photometric),
        (273, 4, 8),
        (277, 3, 1),
        (278, 3, HEIGHT),
        (279, 4, len(rows)),
        (339, 3, kind),
    ]
    entries = b"".join(
        struct.pack(f"{order}HHI", tag, code, 1)
        + struct.pack(f"{order}{'H2x' if code == 3 else 'I'}", value)
        for tag, code, value in tags
    )
    mark = b"II*\0" if order == "<" else b"MM\0*"
    head = mark + struct.pack(f"{order}I", 8 + len(rows))
    return head + rows + struct.pack(f"{order}H", len(tags)) + entries + bytes(4)


def twelve_bits() -> bytes:
    """Gray in 12 bits: each pair of values in three bytes."""
    values = (np.asarray(gray()).astype(np.uint32) * 4095 + 127) // 255
    left, right = values.reshape(-1, 2).T
    packed = np.stack([left >> 4, (left & 15) << 4 | right >> 8, right & 255], axis=1)
    return packed.astype(np.uint8).tobytes()


def deep_png() -> bytes:
    values = np.asarray(ramps()).astype(">u2") * 257
    rows = b"".join(b"\0" + row.tobytes() for row in values.astype(">u2"))
    return png(WIDTH, HEIGHT, bits=16, rows=rows)


def half_clear_png() -> bytes:
    """PNG of 2-bit gray: level 1 of 3, which is transparent, on the left, and level 2."""
    rows = (b"\0" + b"\x55" * (WIDTH // 8) + b"\xaa" * (WIDTH // 8)) * HEIGHT
    header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 2, 0, 0, 0, 0)
    body = chunk(b"tRNS", struct.pack(">H", 1)) + chunk(b"IDAT", zlib.compress(rows))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + body + chunk(b"IEND", b"")


def half_clear() -> Image.Image:
    image = Image.new("RGB", (WIDTH, HEIGHT), WHITE)
    image.paste((170, 170, 170), (WIDTH // 2, 0, WIDTH, HEIGHT))
    return image


ADOBE: Final = b"\xff\xee\x00\x0eAdobe"


def cmyk() -> Image.Image:
    return ramps().convert("CMYK")


def bare_cmyk() -> bytes:
    """CMYK JPEG as Pillow writes it, without the Adobe marker."""
    content = encoded(cmyk(), "JPEG", quality=95)
    start = content.index(ADOBE)
    return content[:start] + content[start + 16 :]


def ycck() -> bytes:
    """YCCK JPEG: YCbCr of the inverted colours, and black, with the Adobe marker of YCCK.

    Pillow writes four channels, each inverted, but not this marker.
    """
    negative = Image.eval(ramps(), lambda value: 255 - value)
    channels = [Image.eval(part, lambda v: 255 - v) for part in negative.convert("YCbCr").split()]
    stored = Image.merge("CMYK", (*channels, Image.new("L", (WIDTH, HEIGHT), 0)))
    content = bytearray(encoded(stored, "JPEG", quality=100))
    content[content.index(ADOBE) + 15] = 2
    return bytes(content)


def swapped_profile() -> bytes:
    """ICC profile that swaps red and green."""
    content = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    n_tags = struct.unpack(">I", content[128:132])[0]
    places = {bytes(content[132 + 12 * n : 136 + 12 * n]): 132 + 12 * n for n in range(n_tags)}
    red, green = places[b"rXYZ"], places[b"gXYZ"]
    content[red : red + 4], content[green : green + 4] = b"gXYZ", b"rXYZ"
    return bytes(content)


def red_and_green_swapped() -> Image.Image:
    red, green, blue = ramps().split()
    return Image.merge("RGB", (green, red, blue))


COLOURS: Final = (
    OddInput(
        given="gray file",
        result="its gray in all three channels",
        make=saved(gray, "PNG"),
        outcome=loaded(gray),
    ),
    OddInput(
        given="1-bit PNG",
        result="black and white",
        make=saved(lambda: gray().convert("1"), "PNG"),
        outcome=loaded(lambda: gray().convert("1").convert("L")),
    ),
    OddInput(
        given="palette PNG or GIF",
        result="the palette's colours",
        make=saved(lambda: ramps().quantize(64), "PNG"),
        outcome=loaded(lambda: ramps().quantize(64).convert("RGB")),
    ),
    OddInput(
        given="palette PNG or GIF with a transparent colour",
        result="the background there",
        make=saved(lambda: Image.new("P", (WIDTH, HEIGHT)), "GIF", transparency=0),
        outcome=loaded(plain(WHITE)),
    ),
    OddInput(
        given="palette PNG with an alpha for each colour",
        result="blended with the background",
        make=saved(lambda: Image.new("P", (WIDTH, HEIGHT)), "PNG", transparency=b"\x80"),
        outcome=loaded(plain((127, 127, 127)), 1),
    ),
    OddInput(
        given="gray with alpha (LA) PNG",
        result="blended with the background",
        make=saved(lambda: clear_to_right().convert("LA"), "PNG"),
        outcome=loaded(lambda: blended(clear_to_right().convert("LA"), WHITE), 1),
    ),
    OddInput(
        given="RGBA PNG",
        result="blended with the background, white as in transformers",
        make=saved(clear_to_right, "PNG"),
        outcome=loaded(lambda: blended(clear_to_right(), WHITE), 1),
    ),
    OddInput(
        given="RGBA PNG, `ReadOptions(background=(0, 0, 255))`",
        result="blended with blue",
        make=saved(clear_to_right, "PNG"),
        outcome=loaded(lambda: blended(clear_to_right(), BLUE), 1),
        read=ReadOptions(background=BLUE),
    ),
    OddInput(
        given="RGBA WebP",
        result="blended with the background",
        make=saved(clear_to_right, "WEBP", lossless=True, exact=True),
        outcome=loaded(lambda: blended(clear_to_right(), WHITE), 1),
    ),
    OddInput(
        given="RGB or gray PNG with one transparent colour",
        result="the background there",
        make=saved(plain(RED), "PNG", transparency=RED),
        outcome=loaded(plain(WHITE)),
    ),
    OddInput(
        given="the same at 1, 2, 4 or 16 bits, or a PIL image opened from it and not yet loaded",
        result="the background there (of 16 bits in RGB the upper eight are compared)",
        make=lambda _: half_clear_png(),
        outcome=loaded(half_clear),
    ),
    OddInput(
        given="PIL image of mode RGBA, LA, PA, La or RGBa",
        result="blended with the background",
        make=lambda _: clear_to_right().convert("RGBa"),
        outcome=loaded(lambda: blended(clear_to_right(), WHITE), 1),
    ),
    OddInput(
        given="array [H, W, 4]",
        result="blended with the background",
        make=lambda _: np.asarray(clear_to_right()),
        outcome=loaded(lambda: blended(clear_to_right(), WHITE), 1),
    ),
    OddInput(
        given="CMYK JPEG, inverted as Adobe writes it",
        result="its colours, as Pillow converts them",
        make=saved(cmyk, "JPEG", quality=95),
        outcome=loaded(ramps, 4),
    ),
    OddInput(
        given="CMYK JPEG without the Adobe marker",
        result="taken as inverted too, as Pillow does",
        make=lambda _: bare_cmyk(),
        outcome=loaded(ramps, 4),
    ),
    OddInput(
        given="YCCK JPEG",
        result="its colours",
        make=lambda _: ycck(),
        outcome=loaded(ramps, 4),
    ),
    OddInput(
        given="CMYK TIFF",
        result="its colours",
        make=saved(cmyk, "TIFF"),
        outcome=loaded(ramps),
    ),
    OddInput(
        given="PIL image of mode YCbCr, HSV, LAB, RGBX or CMYK",
        result="converted to RGB by Pillow",
        make=lambda _: ramps().convert("YCbCr"),
        outcome=loaded(lambda: ramps().convert("YCbCr").convert("RGB")),
    ),
    OddInput(
        given="16-bit gray PNG",
        result="scaled: 65535 is white",
        make=lambda _: encoded(Image.fromarray(wide(gray())), "PNG"),
        outcome=loaded(gray),
    ),
    OddInput(
        given="16-bit gray TIFF of either byte order",
        result="scaled: 65535 is white",
        make=lambda _: tiff(
            wide(gray()).astype(">u2").tobytes(), bits=16, photometric=1, order=">"
        ),
        outcome=loaded(gray),
    ),
    OddInput(
        given="16-bit gray TIFF with zero as white (WhiteIsZero)",
        result="scaled and inverted",
        make=lambda _: tiff((65535 - wide(gray())).tobytes(), bits=16, photometric=0),
        outcome=loaded(gray),
    ),
    OddInput(
        given="12-bit gray TIFF",
        result="scaled: 4095 is white",
        make=lambda _: tiff(twelve_bits(), bits=12, photometric=1),
        outcome=loaded(gray),
    ),
    OddInput(
        given="16-bit PGM",
        result="scaled: its maximum value is white",
        make=lambda _: b"P5 40 30 65535\n" + wide(gray()).astype(">u2").tobytes(),
        outcome=loaded(gray),
    ),
    OddInput(
        given="16-bit RGB PNG",
        result="the upper eight bits",
        make=lambda _: deep_png(),
        outcome=loaded(ramps),
    ),
    OddInput(
        given="signed or 32-bit integer TIFF, or PIL image of mode I",
        result="refused: the range of its values is unknown",
        make=lambda _: tiff(bytes(WIDTH * HEIGHT * 2), bits=16, photometric=1, kind=2),
        outcome=Refused(message="has I pixels, whose range is not known; convert it to 8 bit"),
    ),
    OddInput(
        given="float TIFF, PFM, or PIL image of mode F",
        result="refused: the range of its values is unknown",
        make=lambda _: tiff(bytes(WIDTH * HEIGHT * 4), bits=32, photometric=1, kind=3),
        outcome=Refused(message="has F pixels, whose range is not known; convert it to 8 bit"),
    ),
    OddInput(
        given="file with an ICC profile",
        result="the profile is ignored, as in transformers and open_clip",
        make=lambda _: encoded(ramps(), "PNG", icc_profile=swapped_profile()),
        outcome=loaded(ramps),
    ),
    OddInput(
        given="file with an ICC profile, `ReadOptions(profiles=True)`",
        result="converted to sRGB",
        make=lambda _: encoded(ramps(), "PNG", icc_profile=swapped_profile()),
        outcome=loaded(red_and_green_swapped, 2),
        read=ReadOptions(profiles=True),
    ),
    OddInput(
        given="file with a damaged ICC profile, or one of other colours, "
        "`ReadOptions(profiles=True)`",
        result="the profile is ignored",
        make=lambda _: encoded(ramps(), "PNG", icc_profile=b"no profile"),
        outcome=loaded(ramps),
        read=ReadOptions(profiles=True),
    ),
)
