"""Colours: whatever the mode, eight bits of red, green and blue."""

import struct
from typing import Any, Final

import numpy as np
from PIL import Image, ImageCms

from odd_images.oddity import (
    BLUE,
    HEIGHT,
    RED,
    WHITE,
    WIDTH,
    Odd,
    Refused,
    encoded,
    gray,
    plain,
    png,
    ramps,
    saved,
    seen,
)
from twinlens.images.read_options import ReadOptions


def clear_to_right() -> Image.Image:
    """RGBA: ever more transparent."""
    image = ramps().convert("RGBA")
    image.putalpha(Image.linear_gradient("L").rotate(90).resize(image.size))
    return image


def blended(image: Image.Image, background: tuple[int, ...]) -> Image.Image:
    """By the definition of "over", in floats."""
    rgba = np.asarray(image.convert("RGBA")).astype(float)
    alpha = rgba[:, :, 3:] / 255
    rgb = rgba[:, :, :3] * alpha + np.array(background) * (1 - alpha)
    return Image.fromarray(np.rint(rgb).astype(np.uint8))


def wide(image: Image.Image) -> np.ndarray[Any, np.dtype[np.uint16]]:
    """Gray as 16 bits."""
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
    """Each pair of gray values in three bytes."""
    values = (np.asarray(gray()).astype(np.uint32) * 4095 + 127) // 255
    left, right = values.reshape(-1, 2).T
    packed = np.stack([left >> 4, (left & 15) << 4 | right >> 8, right & 255], axis=1)
    return packed.astype(np.uint8).tobytes()


def deep_png() -> bytes:
    values = np.asarray(ramps()).astype(">u2") * 257
    rows = b"".join(b"\0" + row.tobytes() for row in values.astype(">u2"))
    return png(WIDTH, HEIGHT, bits=16, rows=rows)


ADOBE: Final = b"\xff\xee\x00\x0eAdobe"


def cmyk() -> Image.Image:
    return ramps().convert("CMYK")


def bare_cmyk() -> bytes:
    """As Pillow writes it, less the mark."""
    content = encoded(cmyk(), "JPEG", quality=95)
    start = content.index(ADOBE)
    return content[:start] + content[start + 16 :]


def ycck() -> bytes:
    """YCbCr of the inverted colours, and black, marked as such.

    Pillow writes four channels, each inverted, but not this mark.
    """
    negative = Image.eval(ramps(), lambda value: 255 - value)
    channels = [Image.eval(part, lambda v: 255 - v) for part in negative.convert("YCbCr").split()]
    stored = Image.merge("CMYK", (*channels, Image.new("L", (WIDTH, HEIGHT), 0)))
    content = bytearray(encoded(stored, "JPEG", quality=100))
    content[content.index(ADOBE) + 15] = 2
    return bytes(content)


def swapped_profile() -> bytes:
    """A profile under which red and green change places."""
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
    Odd(
        given="gray file",
        comes="its gray in red, green and blue",
        make=saved(gray, "PNG"),
        outcome=seen(gray),
    ),
    Odd(
        given="1-bit PNG",
        comes="black and white",
        make=saved(lambda: gray().convert("1"), "PNG"),
        outcome=seen(lambda: gray().convert("1").convert("L")),
    ),
    Odd(
        given="palette PNG or GIF",
        comes="the palette's colours",
        make=saved(lambda: ramps().quantize(64), "PNG"),
        outcome=seen(lambda: ramps().quantize(64).convert("RGB")),
    ),
    Odd(
        given="palette PNG or GIF with a transparent colour",
        comes="the background there",
        make=saved(lambda: Image.new("P", (WIDTH, HEIGHT)), "GIF", transparency=0),
        outcome=seen(plain(WHITE)),
    ),
    Odd(
        given="palette PNG with an alpha for each colour",
        comes="blended with the background",
        make=saved(lambda: Image.new("P", (WIDTH, HEIGHT)), "PNG", transparency=b"\x80"),
        outcome=seen(plain((127, 127, 127)), 1),
    ),
    Odd(
        given="gray with alpha (LA) PNG",
        comes="blended with the background",
        make=saved(lambda: clear_to_right().convert("LA"), "PNG"),
        outcome=seen(lambda: blended(clear_to_right().convert("LA"), WHITE), 1),
    ),
    Odd(
        given="RGBA PNG",
        comes="blended with the background, white as in transformers",
        make=saved(clear_to_right, "PNG"),
        outcome=seen(lambda: blended(clear_to_right(), WHITE), 1),
    ),
    Odd(
        given="RGBA PNG, `ReadOptions(background=(0, 0, 255))`",
        comes="blended with blue",
        make=saved(clear_to_right, "PNG"),
        outcome=seen(lambda: blended(clear_to_right(), BLUE), 1),
        read=ReadOptions(background=BLUE),
    ),
    Odd(
        given="RGBA WebP",
        comes="blended with the background",
        make=saved(clear_to_right, "WEBP", lossless=True, exact=True),
        outcome=seen(lambda: blended(clear_to_right(), WHITE), 1),
    ),
    Odd(
        given="RGB or gray PNG with one transparent colour",
        comes="the background there",
        make=saved(plain(RED), "PNG", transparency=RED),
        outcome=seen(plain(WHITE)),
    ),
    Odd(
        given="PIL image of mode RGBA, LA, PA, La or RGBa",
        comes="blended with the background",
        make=lambda _: clear_to_right().convert("RGBa"),
        outcome=seen(lambda: blended(clear_to_right(), WHITE), 1),
    ),
    Odd(
        given="array [H, W, 4]",
        comes="blended with the background",
        make=lambda _: np.asarray(clear_to_right()),
        outcome=seen(lambda: blended(clear_to_right(), WHITE), 1),
    ),
    Odd(
        given="CMYK JPEG, inverted as Adobe writes it",
        comes="its colours, as Pillow converts them",
        make=saved(cmyk, "JPEG", quality=95),
        outcome=seen(ramps, 4),
    ),
    Odd(
        given="CMYK JPEG without Adobe's mark",
        comes="taken as inverted all the same, as Pillow does",
        make=lambda _: bare_cmyk(),
        outcome=seen(ramps, 4),
    ),
    Odd(
        given="YCCK JPEG",
        comes="its colours",
        make=lambda _: ycck(),
        outcome=seen(ramps, 4),
    ),
    Odd(
        given="CMYK TIFF",
        comes="its colours",
        make=saved(cmyk, "TIFF"),
        outcome=seen(ramps),
    ),
    Odd(
        given="PIL image of mode YCbCr, HSV, LAB, RGBX or CMYK",
        comes="converted to RGB by Pillow",
        make=lambda _: ramps().convert("YCbCr"),
        outcome=seen(lambda: ramps().convert("YCbCr").convert("RGB")),
    ),
    Odd(
        given="16-bit gray PNG",
        comes="scaled: 65535 is white",
        make=lambda _: encoded(Image.fromarray(wide(gray())), "PNG"),
        outcome=seen(gray),
    ),
    Odd(
        given="16-bit gray TIFF of either byte order",
        comes="scaled: 65535 is white",
        make=lambda _: tiff(
            wide(gray()).astype(">u2").tobytes(), bits=16, photometric=1, order=">"
        ),
        outcome=seen(gray),
    ),
    Odd(
        given="16-bit gray TIFF in which white is zero",
        comes="scaled and inverted",
        make=lambda _: tiff((65535 - wide(gray())).tobytes(), bits=16, photometric=0),
        outcome=seen(gray),
    ),
    Odd(
        given="12-bit gray TIFF",
        comes="scaled: 4095 is white",
        make=lambda _: tiff(twelve_bits(), bits=12, photometric=1),
        outcome=seen(gray),
    ),
    Odd(
        given="16-bit PGM",
        comes="scaled: its greatest value is white",
        make=lambda _: b"P5 40 30 65535\n" + wide(gray()).astype(">u2").tobytes(),
        outcome=seen(gray),
    ),
    Odd(
        given="16-bit RGB PNG",
        comes="scaled: the upper eight bits",
        make=lambda _: deep_png(),
        outcome=seen(ramps),
    ),
    Odd(
        given="signed or 32-bit integer TIFF, or PIL image of mode I",
        comes="refused: the range of its numbers is not known",
        make=lambda _: tiff(bytes(WIDTH * HEIGHT * 2), bits=16, photometric=1, kind=2),
        outcome=Refused(message="has I pixels, whose range is not known; convert it to 8 bit"),
    ),
    Odd(
        given="float TIFF, PFM, or PIL image of mode F",
        comes="refused: the range of its numbers is not known",
        make=lambda _: tiff(bytes(WIDTH * HEIGHT * 4), bits=32, photometric=1, kind=3),
        outcome=Refused(message="has F pixels, whose range is not known; convert it to 8 bit"),
    ),
    Odd(
        given="file with an ICC profile",
        comes="the profile is ignored, as in transformers and open_clip",
        make=lambda _: encoded(ramps(), "PNG", icc_profile=swapped_profile()),
        outcome=seen(ramps),
    ),
    Odd(
        given="file with an ICC profile, `ReadOptions(profiles=True)`",
        comes="converted to sRGB",
        make=lambda _: encoded(ramps(), "PNG", icc_profile=swapped_profile()),
        outcome=seen(red_and_green_swapped, 2),
        read=ReadOptions(profiles=True),
    ),
    Odd(
        given="file with a damaged ICC profile, or one of other colours, "
        "`ReadOptions(profiles=True)`",
        comes="the profile is ignored",
        make=lambda _: encoded(ramps(), "PNG", icc_profile=b"no profile"),
        outcome=seen(ramps),
        read=ReadOptions(profiles=True),
    ),
)
