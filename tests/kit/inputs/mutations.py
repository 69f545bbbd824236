"""Mutations of valid image files: accidental and malicious damage."""

import random
import struct
from collections.abc import Callable
from typing import Any, Final

import numpy as np
from odd_images.makers import encoded, exif, ramps
from PIL import Image, ImageCms

EXTREMES: Final = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
"""Values of a forged length field."""


def seeds() -> dict[str, bytes]:
    """A small valid file for each path through the decoders."""
    photo, orientation = _photo(), exif(6)
    frames: dict[str, Any] = {"save_all": True, "append_images": [photo.rotate(90)] * 2}
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    transparent = photo.convert("RGBA")
    transparent.putalpha(Image.linear_gradient("L").resize(photo.size))
    wide = Image.fromarray(np.asarray(photo.convert("L")).astype(np.uint16) * 257)
    return {
        "jpeg": encoded(photo, "JPEG", exif=orientation, icc_profile=profile),
        "jpeg 4:4:4": encoded(photo, "JPEG", quality=95, subsampling=0, restart_marker_rows=1),
        "jpeg progressive": encoded(photo, "JPEG", progressive=True),
        "jpeg gray": encoded(photo.convert("L"), "JPEG"),
        "jpeg cmyk": encoded(photo.convert("CMYK"), "JPEG"),
        "jpeg several": encoded(photo, "MPO", **frames),
        "png": encoded(photo, "PNG", exif=orientation, icc_profile=profile),
        "png palette": encoded(photo.quantize(32), "PNG", transparency=bytes(range(32))),
        "png 16 bit": encoded(wide, "PNG"),
        "png alpha": encoded(transparent, "PNG"),
        "png animated": encoded(photo, "PNG", **frames),
        "webp": encoded(photo, "WEBP", exif=orientation, icc_profile=profile),
        "webp lossless": encoded(transparent, "WEBP", lossless=True),
        "webp animated": encoded(photo, "WEBP", **frames),
        "gif": encoded(photo, "GIF", **frames),
        "tiff": encoded(photo, "TIFF", exif=orientation),
        "tiff lzw": encoded(photo, "TIFF", compression="tiff_lzw"),
        "tiff deflate": encoded(wide, "TIFF", compression="tiff_adobe_deflate"),
        "tiff jpeg": encoded(photo, "TIFF", compression="jpeg"),
        "bmp": encoded(photo, "BMP"),
        "bmp palette": encoded(photo.quantize(16), "BMP"),
        "ppm": encoded(photo, "PPM"),
        "avif": encoded(photo, "AVIF", exif=orientation),
    }


def mutated(content: bytes, others: list[bytes], rng: random.Random) -> bytes:
    """Copy of a file with one to four mutations."""
    for _ in range(rng.randint(1, 4)):
        content = rng.choice(MUTATIONS)(content, others, rng) or b"\0"
    return content


def _photo() -> Image.Image:
    """Gradients with noise, so that every encoder writes coefficients of all frequencies."""
    noise = np.random.default_rng(0).integers(-20, 20, (48, 64, 3))
    pixels = np.asarray(ramps(64, 48)).astype(int) + noise
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def _flip_bits(content: bytes, _: list[bytes], rng: random.Random) -> bytes:
    damaged = bytearray(content)
    for _n in range(rng.choice((1, 1, 2, 8, 32))):
        damaged[rng.randrange(len(damaged))] ^= 1 << rng.randrange(8)
    return bytes(damaged)


def _cut(content: bytes, _: list[bytes], rng: random.Random) -> bytes:
    return content[: rng.randrange(len(content))]


def _drop(content: bytes, _: list[bytes], rng: random.Random) -> bytes:
    start = rng.randrange(len(content))
    return content[:start] + content[start + rng.randint(1, 64) :]


def _splice(content: bytes, others: list[bytes], rng: random.Random) -> bytes:
    """Overwrite or insert a piece of any file."""
    source = rng.choice([content, *others])
    start, length = rng.randrange(len(source)), rng.randint(1, 256)
    piece, place = source[start : start + length], rng.randrange(len(content))
    return content[:place] + piece + content[place + rng.choice((0, len(piece))) :]


def _claim_length(content: bytes, _: list[bytes], rng: random.Random) -> bytes:
    """Write a wrong number of two or four bytes, mostly near the start, in the headers."""
    kind, mask = rng.choice((("H", 0xFFFF), ("I", 0xFFFFFFFF)))
    number = struct.pack(rng.choice("<>") + kind, rng.choice(EXTREMES) & mask)
    place = rng.randrange(min(len(content), rng.choice((64, 512, len(content)))))
    return content[:place] + number + content[place + len(number) :]


MUTATIONS: Final[tuple[Callable[[bytes, list[bytes], random.Random], bytes], ...]] = (
    _flip_bits,
    _cut,
    _drop,
    _splice,
    _claim_length,
)
