"""Paths, bytes, files and arrays as image sources."""

import io
import os
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np

from odd_images.makers import array, encoded, gray, ramps
from odd_images.odd_input import OddInput, Refused, loaded


def pipe(folder: Path) -> Path:
    os.mkfifo(folder / "pipe.jpg")
    return folder / "pipe.jpg"


class Stream(io.RawIOBase):
    """Bytes that can be read once, a few at a time, as from a socket."""

    def __init__(self, content: bytes) -> None:
        self._rest = content

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
        part, self._rest = self._rest[: min(700, len(buffer))], self._rest[min(700, len(buffer)) :]
        buffer[: len(part)] = part
        return len(part)


class Upload:
    """Upload of a web framework."""

    async def read(self, _size: int = -1) -> bytes:
        raise AssertionError("nobody waits for it")


def read_to_its_end() -> BinaryIO:
    file = io.BytesIO(encoded(ramps(), "PNG"))
    file.read()
    return file


def closed() -> BinaryIO:
    file = io.BytesIO(b"")
    file.close()
    return file


CONTAINERS: Final = (
    OddInput(
        given="bytearray or memoryview",
        result="the same as bytes",
        make=lambda _: memoryview(encoded(ramps(), "PNG")),
        outcome=loaded(ramps),
    ),
    OddInput(
        given="binary file at its end",
        result="read from its start",
        make=lambda _: read_to_its_end(),
        outcome=loaded(ramps),
    ),
    OddInput(
        given="binary file that cannot seek, such as a socket or a pipe",
        result="read from its current position",
        make=lambda _: Stream(encoded(ramps(), "PNG")),
        outcome=loaded(ramps),
    ),
    OddInput(
        given="file opened as text",
        result="refused",
        make=lambda _: io.StringIO("text"),
        outcome=Refused(message="the StringIO is opened as text; open it with mode 'rb'"),
    ),
    OddInput(
        given="closed file",
        result="refused",
        make=lambda _: closed(),
        outcome=Refused(message="the BytesIO cannot be read: .* closed file"),
    ),
    OddInput(
        given="path that does not exist",
        result="refused",
        make=lambda folder: folder / "nothing.jpg",
        outcome=Refused(message=r"nothing\.jpg cannot be opened: No such file"),
    ),
    OddInput(
        given="path of a folder",
        result="refused",
        make=lambda folder: folder,
        outcome=Refused(message="cannot be opened: Is a directory"),
    ),
    OddInput(
        given="path of a named pipe or a device",
        result="refused: opening it could block for ever",
        make=pipe,
        outcome=Refused(message=r"pipe\.jpg is no regular file; read it and give the bytes"),
    ),
    OddInput(
        given="base64 or a data URI as a str",
        result="refused: a str is a path; see `twinlens.from_data_uri`",
        make=lambda _: "data:image/png;base64,iVBORw0KGgo=",
        outcome=Refused(message=r"decode a data URI with twinlens\.from_data_uri$"),
    ),
    OddInput(
        given="URL",
        result="refused: fetch it and give the bytes",
        make=lambda _: "https://example.org/a.jpg",
        outcome=Refused(message="fetch the URL and give the bytes$"),
    ),
    OddInput(
        given="path in bytes",
        result="refused: bytes are an image's content; `os.fsdecode` makes it a str",
        make=lambda _: b"photos/a.jpg",
        outcome=Refused(message=r"give os\.fsdecode\(path\)$"),
    ),
    OddInput(
        given="upload of a web framework, which is read by `await`",
        result="refused: give its `.file`",
        make=lambda _: Upload(),
        outcome=Refused(message=r"give its \.file, or the bytes of `await upload"),
    ),
    OddInput(
        given="a number, a list",
        result="refused",
        make=lambda _: 7,
        outcome=Refused(message="a int is not an image; give a path, bytes, a PIL image or"),
    ),
    OddInput(
        given="None, NaN",
        result="refused: leave out what is missing",
        make=lambda _: None,
        outcome=Refused(message="a NoneType is not an image; leave out what is missing$"),
    ),
)

ARRAYS: Final = (
    OddInput(
        given="array [H, W] or [H, W, 1]",
        result="gray",
        make=lambda _: np.asarray(gray())[:, :, None],
        outcome=loaded(gray),
    ),
    OddInput(
        given="array in any memory order, read-only, or with negative strides",
        result="the image; the array is not changed",
        make=lambda _: np.asfortranarray(np.asarray(ramps())[::-1])[::-1],
        outcome=loaded(ramps),
    ),
    OddInput(
        given="array of floats, of 16 bits, of bool",
        result="refused: the range of its values is unknown",
        make=array(np.float32, 5, 5, 3),
        outcome=Refused(message=r"an array of float32 is not an image; scale it to 0\.\.255"),
    ),
    OddInput(
        given="array [3, H, W], [B, H, W, 3], [H, W, 2]",
        result="refused: channels come last, and one image at a time",
        make=array(np.uint8, 3, 40, 40),
        outcome=Refused(message=r"an array of shape \[3, 40, 40\] is not an image; wanted"),
    ),
)
