"""The sources: whatever holds a picture, opened by Pillow and within the limits."""

import io
import os
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from twinlens.errors import ImageError
from twinlens.images.limits import Limits

U8 = NDArray[np.uint8]
Encoded = str | os.PathLike[str] | bytes | bytearray | memoryview | BinaryIO
ImageLike = Encoded | Image.Image | U8
"""Anything image-like: a path, encoded bytes, a binary file, a PIL image, or uint8 pixels [H, W],
[H, W, 1], [H, W, 3] or [H, W, 4]. A str is always a path."""

READING_ONE: Final = threading.Lock()
"""Held while a file or a PIL image that came from outside is read.

It may be given twice: two threads that read one PIL image at once get wrong pixels without a word.
"""


def source_name(image: object) -> str:
    """What errors call it.

    Raises:
        ImageError: it is nothing image-like.
    """
    if isinstance(image, (str, os.PathLike)):
        return os.fspath(image)
    if isinstance(image, (bytes, bytearray, memoryview)):
        return f"{memoryview(image).nbytes} bytes"
    if isinstance(image, np.ndarray):
        return "the array"
    if isinstance(image, Image.Image):
        return "the image"
    if hasattr(image, "read"):
        name = getattr(image, "name", None)
        return name if isinstance(name, str) else f"the {type(image).__name__}"
    raise ImageError(
        f"a {type(image).__name__} is not an image; "
        "give a path, bytes, a PIL image or a uint8 array [H, W, 3]"
    )


@contextmanager
def opened(image: Encoded, name: str, limits: Limits) -> Iterator[BinaryIO]:
    """The file behind a path, bytes or a file.

    A path is open while this lasts; of a file that came from outside the whole content is read,
    from its start if it can seek.

    Raises:
        ImageError: it cannot be read, or is larger than the limit.
    """
    if isinstance(image, (str, os.PathLike)):
        with _opened_path(name, limits) as file:
            yield file
    elif isinstance(image, (bytes, bytearray, memoryview)):
        _check_bytes(memoryview(image).nbytes, name, limits)
        yield io.BytesIO(image)
    else:
        yield io.BytesIO(_content(image, name, limits))


@contextmanager
def reasons(name: str, limits: Limits) -> Iterator[None]:
    """Turn whatever Pillow raises into an ImageError about `name`."""
    try:
        yield
    except ImageError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        # Pillow's own limit, of 179 million, stands whatever ours is.
        raise ImageError(
            f"{name} has more than {limits.max_pixels:,} pixels; shrink it first"
        ) from error
    except UnidentifiedImageError as error:
        known = ", ".join(limits.formats)
        raise ImageError(f"{name} is no image that can be decoded; known are {known}") from error
    except Exception as error:  # Pillow's decoders raise whatever they meet
        raise ImageError(f"{name} cannot be decoded: {str(error) or repr(error)}") from error


def check_size(image: Image.Image, name: str, limits: Limits) -> None:
    """Refuse a picture without pixels, and one with too many, before it is decoded.

    Raises:
        ImageError: either.
    """
    if image.width * image.height > limits.max_pixels:
        raise ImageError(
            f"{name} is {image.width} x {image.height}, more than {limits.max_pixels:,} pixels; "
            "shrink it first"
        )
    if image.width == 0 or image.height == 0:
        raise ImageError(f"{name} is {image.width} x {image.height}: it has no pixels")


def from_array(pixels: U8) -> Image.Image:
    """A PIL image of uint8 pixels [H, W], [H, W, 1], [H, W, 3] or [H, W, 4].

    Raises:
        ImageError: it is of another shape or dtype.
    """
    if pixels.dtype != np.uint8:
        raise ImageError(f"an array of {pixels.dtype} is not an image; scale it to 0..255 as uint8")
    if pixels.ndim == 3 and pixels.shape[2] == 1:
        pixels = pixels[:, :, 0]
    if pixels.ndim != 2 and not (pixels.ndim == 3 and pixels.shape[2] in (3, 4)):
        raise ImageError(
            f"an array of shape {list(pixels.shape)} is not an image; "
            "wanted [H, W], [H, W, 3] or [H, W, 4]"
        )
    if 0 in pixels.shape:
        raise ImageError(f"an array of shape {list(pixels.shape)} has no pixels")
    return Image.fromarray(np.ascontiguousarray(pixels))


@contextmanager
def _opened_path(name: str, limits: Limits) -> Iterator[BinaryIO]:
    try:
        # Looked at first: opening a pipe that nobody writes to would wait for ever.
        status = os.stat(name)  # noqa: PTH116  a name need not be a Path
        if not stat.S_ISREG(status.st_mode) and not stat.S_ISDIR(status.st_mode):
            raise ImageError(f"{name} is no regular file; read it and give the bytes")
        file = open(name, "rb")  # noqa: PTH123, SIM115  closed below
    except (OSError, ValueError) as error:
        if isinstance(error, ImageError):
            raise
        reason = getattr(error, "strerror", None) or error
        raise ImageError(f"{name} cannot be opened: {reason}") from error
    with file:
        _check_bytes(os.fstat(file.fileno()).st_size, name, limits)
        yield file


def _content(file: BinaryIO, name: str, limits: Limits) -> bytes:
    if isinstance(file, io.TextIOBase):
        raise ImageError(f"{name} is opened as text; open it with mode 'rb'")
    try:
        with READING_ONE:
            if getattr(file, "seekable", lambda: False)():
                file.seek(0)
            content = _read(file, limits.max_bytes + 1)
    except Exception as error:  # a file of anybody's making raises whatever it likes
        raise ImageError(f"{name} cannot be read: {str(error) or repr(error)}") from error
    _check_bytes(len(content), name, limits)
    return content


def _read(file: BinaryIO, most: int) -> bytes:
    """Up to `most` bytes: a raw file or a socket may give fewer at a time than it has."""
    parts = []
    while most > 0 and (part := file.read(most)):
        parts.append(part)
        most -= len(part)
    return b"".join(parts)


def _check_bytes(n_bytes: int, name: str, limits: Limits) -> None:
    if n_bytes > limits.max_bytes:
        raise ImageError(
            f"{name} has more than {limits.max_bytes:,} bytes; shrink it first, or raise max_bytes"
        )
