"""Sources: what holds a picture, of which shape and format, and within which limits."""

import io
import os
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np
from PIL import Image

from odd_images.oddity import (
    BLUE,
    NOT_KNOWN,
    RED,
    Maker,
    Odd,
    Refused,
    encoded,
    gray,
    in_folder,
    jpeg,
    plain,
    png,
    ramps,
    saved,
    seen,
)
from twinlens.images.limits import Limits
from twinlens.images.read_options import ReadOptions


def pipe(folder: Path) -> Path:
    os.mkfifo(folder / "pipe.jpg")
    return folder / "pipe.jpg"


class Stream(io.RawIOBase):
    """Bytes that come once, a few at a time, as from a socket."""

    def __init__(self, content: bytes) -> None:
        self._rest = content

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
        part, self._rest = self._rest[: min(700, len(buffer))], self._rest[min(700, len(buffer)) :]
        buffer[: len(part)] = part
        return len(part)


def read_to_its_end() -> BinaryIO:
    file = io.BytesIO(encoded(ramps(), "PNG"))
    file.read()
    return file


def closed() -> BinaryIO:
    file = io.BytesIO(b"")
    file.close()
    return file


def speck() -> Image.Image:
    return Image.new("RGB", (1, 1), (10, 200, 60))


def array(dtype: type = np.uint8, *shape: int) -> Maker:
    return lambda _: np.zeros(shape, dtype=dtype)


SHAPES: Final = (
    Odd(
        given="one pixel",
        comes="its colour",
        make=saved(speck, "PNG"),
        outcome=seen(speck),
    ),
    Odd(
        given="1 x 20000, a PNG of some hundred bytes",
        comes="its middle, in milliseconds",
        make=saved(lambda: Image.new("RGB", (1, 20_000), RED), "PNG"),
        outcome=seen(plain(RED)),
    ),
    Odd(
        given="20000 x 1",
        comes="its middle, in milliseconds",
        make=saved(lambda: Image.new("RGB", (20_000, 1), BLUE), "PNG"),
        outcome=seen(plain(BLUE)),
    ),
    Odd(
        given="file that claims no width or no height",
        comes="refused",
        make=lambda _: png(0, 5),
        outcome=Refused(message="is no image that can be decoded|it has no pixels|cannot be"),
    ),
    Odd(
        given="PIL image of no width or no height",
        comes="refused",
        make=lambda _: Image.new("RGB", (0, 5)),
        outcome=Refused(message="the image is 0 x 5: it has no pixels"),
    ),
    Odd(
        given="array [0, W, 3]",
        comes="refused",
        make=array(np.uint8, 0, 5, 3),
        outcome=Refused(message=r"an array of shape \[0, 5, 3\] has no pixels"),
    ),
    Odd(
        given="file that claims more pixels than the limit (64 million)",
        comes="refused before it is decoded, in microseconds",
        make=lambda _: png(9_000, 9_000),
        outcome=Refused(message="is 9000 x 9000, more than 64,000,000 pixels; shrink it first"),
    ),
    Odd(
        given="file that claims billions of pixels",
        comes="refused before it is decoded",
        make=lambda _: png(60_000, 60_000),
        outcome=Refused(message="has more than 64,000,000 pixels; shrink it first"),
    ),
    Odd(
        given="picture beyond a limit of one's own, `Limits(max_pixels=1000)`",
        comes="refused; the limit is named",
        make=saved(ramps, "PNG"),
        outcome=Refused(message="is 40 x 30, more than 1,000 pixels"),
        read=ReadOptions(limits=Limits(max_pixels=1000)),
    ),
    Odd(
        given="file larger than the limit (100 MB), here `Limits(max_bytes=100)`",
        comes="refused before it is read",
        make=in_folder("large.png", encoded(ramps(), "PNG")),
        outcome=Refused(message=r"large.png has more than 100 bytes; shrink it first"),
        read=ReadOptions(limits=Limits(max_bytes=100)),
    ),
)

FORMATS: Final = (
    Odd(
        given="EPS, PDF, SVG",
        comes="refused: Pillow would run Ghostscript for EPS, and knows no other",
        make=saved(ramps, "EPS"),
        outcome=NOT_KNOWN,
    ),
    Odd(
        given="HEIC, JPEG 2000, ICO, TGA, PSD, ...",
        comes="refused unless the limits name the format",
        make=saved(ramps, "TGA"),
        outcome=NOT_KNOWN,
    ),
    Odd(
        given='a format that the limits do not name, here `Limits(formats=("PNG",))` and a JPEG',
        comes="refused",
        make=lambda _: jpeg(),
        outcome=Refused(message="is no image that can be decoded; known are PNG$"),
        read=ReadOptions(limits=Limits(formats=("PNG",))),
    ),
)

CONTAINERS: Final = (
    Odd(
        given="bytearray or memoryview",
        comes="as bytes",
        make=lambda _: memoryview(encoded(ramps(), "PNG")),
        outcome=seen(ramps),
    ),
    Odd(
        given="binary file that was read to its end",
        comes="read again from its start",
        make=lambda _: read_to_its_end(),
        outcome=seen(ramps),
    ),
    Odd(
        given="binary file that cannot seek, such as a socket or a pipe",
        comes="read from where it is",
        make=lambda _: Stream(encoded(ramps(), "PNG")),
        outcome=seen(ramps),
    ),
    Odd(
        given="file opened as text",
        comes="refused",
        make=lambda _: io.StringIO("text"),
        outcome=Refused(message="the StringIO is opened as text; open it with mode 'rb'"),
    ),
    Odd(
        given="file that is closed",
        comes="refused",
        make=lambda _: closed(),
        outcome=Refused(message="the BytesIO cannot be read: .* closed file"),
    ),
    Odd(
        given="path of nothing",
        comes="refused",
        make=lambda folder: folder / "nothing.jpg",
        outcome=Refused(message=r"nothing\.jpg cannot be opened: No such file"),
    ),
    Odd(
        given="path of a folder",
        comes="refused",
        make=lambda folder: folder,
        outcome=Refused(message="cannot be opened: Is a directory"),
    ),
    Odd(
        given="path of a named pipe or a device",
        comes="refused: opening it might wait for ever",
        make=pipe,
        outcome=Refused(message=r"pipe\.jpg is no regular file; read it and give the bytes"),
    ),
    Odd(
        given="base64 or a data URI as a str",
        comes="refused: a str is a path; see `twinlens.from_data_uri`",
        make=lambda _: "data:image/png;base64,iVBORw0KGgo=",
        outcome=Refused(message="cannot be opened: No such file"),
    ),
    Odd(
        given="None, a number, a list",
        comes="refused",
        make=lambda _: None,
        outcome=Refused(message="a NoneType is not an image; give a path, bytes, a PIL image or"),
    ),
)

ARRAYS: Final = (
    Odd(
        given="array [H, W] or [H, W, 1]",
        comes="gray",
        make=lambda _: np.asarray(gray())[:, :, None],
        outcome=seen(gray),
    ),
    Odd(
        given="array in any memory order, read-only, or with negative strides",
        comes="the picture; the array stays as it is",
        make=lambda _: np.asfortranarray(np.asarray(ramps())[::-1])[::-1],
        outcome=seen(ramps),
    ),
    Odd(
        given="array of floats, of 16 bits, of bool",
        comes="refused: its range is not known",
        make=array(np.float32, 5, 5, 3),
        outcome=Refused(message=r"an array of float32 is not an image; scale it to 0\.\.255"),
    ),
    Odd(
        given="array [3, H, W], [B, H, W, 3], [H, W, 2]",
        comes="refused: channels come last, and one picture at a time",
        make=array(np.uint8, 3, 40, 40),
        outcome=Refused(message=r"an array of shape \[3, 40, 40\] is not an image; wanted"),
    ),
)
