"""Opening of image sources within the limits; every failure is an ImageError with a reason."""

import io
import os
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, Final

import numpy as np
from PIL import Image, UnidentifiedImageError

from twinlens.errors import ImageError
from twinlens.images.image_like import U8, Encoded
from twinlens.images.limits import Limits

SOURCE_READ_LOCK: Final = threading.Lock()
"""Serialises reads of the caller's PIL images and binary files.

PIL images are not thread-safe: concurrent reads silently corrupt pixels, so reads of one object are
serialised. The caller may give one object twice, and a binary file has one position.
"""


def source_name(image: object) -> str:
    """Return the name of an image source for error messages.

    Raises:
        ImageError: the object is nothing image-like.
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
def open_encoded(image: Encoded, name: str, limits: Limits) -> Iterator[BinaryIO]:
    """Open an encoded image as a binary file.

    A path stays open until the context ends. The caller's own file is read as a whole, from its
    start if it can seek.

    Raises:
        ImageError: it cannot be read, or is larger than the limit.
    """
    if isinstance(image, (str, os.PathLike)):
        with _open_path(name, limits) as file:
            yield file
    elif isinstance(image, (bytes, bytearray, memoryview)):
        _check_bytes(memoryview(image).nbytes, name, limits)
        yield io.BytesIO(image)
    else:
        yield io.BytesIO(_read_file(image, name, limits))


@contextmanager
def errors_as_image_error(name: str, limits: Limits) -> Iterator[None]:
    """Turn every exception of Pillow into an ImageError about `name`."""
    try:
        yield
    except ImageError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        # Pillow's own limit of 179 million pixels always applies, beside ours.
        raise ImageError(
            f"{name} has more than {limits.max_pixels:,} pixels; shrink it first"
        ) from error
    except UnidentifiedImageError as error:
        known = ", ".join(limits.formats)
        raise ImageError(f"{name} is no image that can be decoded; known are {known}") from error
    except Exception as error:  # Pillow's decoders raise exceptions of any type
        raise ImageError(f"{name} cannot be decoded: {str(error) or repr(error)}") from error


def check_size(image: Image.Image, name: str, limits: Limits) -> None:
    """Refuse an image with no pixels or too many, before it is decoded.

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


def image_from_array(pixels: U8) -> Image.Image:
    """Return a PIL image of uint8 pixels [H, W], [H, W, 1], [H, W, 3] or [H, W, 4].

    Raises:
        ImageError: the array has another shape or dtype.
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
def _open_path(name: str, limits: Limits) -> Iterator[BinaryIO]:
    try:
        # stat comes first: opening a pipe without a writer would block for ever.
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


def _read_file(file: BinaryIO, name: str, limits: Limits) -> bytes:
    if isinstance(file, io.TextIOBase):
        raise ImageError(f"{name} is opened as text; open it with mode 'rb'")
    try:
        with SOURCE_READ_LOCK:
            if getattr(file, "seekable", lambda: False)():
                file.seek(0)
            content = _read_up_to(file, limits.max_bytes + 1)
    except Exception as error:  # a caller's own file class may raise anything
        raise ImageError(f"{name} cannot be read: {str(error) or repr(error)}") from error
    _check_bytes(len(content), name, limits)
    return content


def _read_up_to(file: BinaryIO, n_bytes: int) -> bytes:
    """Read at most `n_bytes`; a raw file or a socket may return fewer at a time than it has."""
    parts = []
    while n_bytes > 0 and (part := file.read(n_bytes)):
        parts.append(part)
        n_bytes -= len(part)
    return b"".join(parts)


def _check_bytes(n_bytes: int, name: str, limits: Limits) -> None:
    if n_bytes > limits.max_bytes:
        raise ImageError(
            f"{name} has more than {limits.max_bytes:,} bytes; shrink it first, or raise max_bytes"
        )
