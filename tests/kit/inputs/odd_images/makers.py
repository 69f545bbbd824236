"""Makers of small images and files, most of them unusual."""

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

WIDTH, HEIGHT = 40, 30
RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)

Maker = Callable[[Path], Any]
"""Function from an empty folder to an input."""


def ramps(width: int = WIDTH, height: int = HEIGHT) -> Image.Image:
    """Smooth gradients, which every encoder keeps, with a different edge on every side."""
    x, y = np.meshgrid(np.linspace(20, 230, width), np.linspace(40, 200, height))
    return Image.fromarray(np.stack([x, y, np.full_like(x, 90)], axis=2).astype(np.uint8))


def gray() -> Image.Image:
    return ramps().convert("L")


def plain(colour: tuple[int, ...]) -> Callable[[], Image.Image]:
    return lambda: Image.new("RGB", (WIDTH, HEIGHT), colour)


def turned() -> Image.Image:
    return ramps().transpose(Image.Transpose.ROTATE_270)


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)  # type: ignore[arg-type]
    return file.getvalue()


def saved(image: Callable[[], Image.Image], kind: str, **options: object) -> Maker:
    return lambda _: encoded(image(), kind, **options)


def jpeg(**options: object) -> bytes:
    return encoded(ramps(), "JPEG", quality=95, **options)


def exif(tag: int) -> Image.Exif:
    notes = Image.Exif()
    notes[274] = tag
    return notes


def frames(kind: str, **options: object) -> Maker:
    red, *others = (Image.new("RGB", (WIDTH, HEIGHT), colour) for colour in (RED, GREEN, BLUE))
    return lambda _: encoded(red, kind, save_all=True, append_images=others, **options)


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png(width: int, height: int, *, bits: int = 8, rows: bytes = bytes(100)) -> bytes:
    """An RGB PNG that may claim more pixels than it holds."""
    header = struct.pack(">IIBBBBB", width, height, bits, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def in_folder(name: str, content: bytes) -> Maker:
    def make(folder: Path) -> Path:
        path = folder / name
        path.write_bytes(content)
        return path

    return make


def truncated(content: bytes, tail: int) -> Maker:
    return lambda _: content[:-tail]


def array(dtype: type = np.uint8, *shape: int) -> Maker:
    return lambda _: np.zeros(shape, dtype=dtype)
