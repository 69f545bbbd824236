"""Opening of image sources within the limits; every failure is an ImageError with a reason."""

import inspect
import io
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, Final

import numpy as np
from PIL import Image, UnidentifiedImageError

from twinlens.errors import ImageError, quoted
from twinlens.images.formats.jpeg_segments import has_too_many_scans
from twinlens.images.image_like import U8, Encoded, ReadContent
from twinlens.images.limits import Limits
from twinlens.images.sources.cures import WANTED_ARRAY, cure_of_object, cure_of_path
from twinlens.images.sources.turns import turn_at
from twinlens.ort.memory.address_space import ReserveError

JPEG_FORMATS: Final = frozenset({"JPEG", "MPO"})


def source_name(image: object) -> str:
    """Return the name of an image source for error messages, as one short line.

    Raises:
        ImageError: the object is nothing image-like.
    """
    try:
        return quoted(_long_name(image))
    except (ImageError, ReserveError):  # of the second, the image is not the reason
        raise
    except Exception as error:  # a caller's own class may raise anything
        kind = type(image).__name__
        raise ImageError(f"the {kind} has no path or name: {reason_of(error)}") from error


def path_of(image: object) -> str | None:
    """Return the path that an image source is, or None; raise what its `__fspath__` raises."""
    return os.fsdecode(image) if isinstance(image, (str, os.PathLike)) else None


def reason_of(error: BaseException) -> str:
    """Return the text of an error as one short line, or its type where it has none."""
    return quoted(str(error) or repr(error))


def _long_name(image: object) -> str:
    if isinstance(image, ReadContent):
        return image.name
    if (path := path_of(image)) is not None:
        return path or "an empty path"
    if isinstance(image, (bytes, bytearray, memoryview)):
        return f"{memoryview(image).nbytes} bytes"
    if isinstance(image, np.ndarray):
        return "the array"
    if isinstance(image, Image.Image):
        return "the image"
    if hasattr(image, "read"):
        name = getattr(image, "name", None)
        return name if isinstance(name, str) else f"the {type(image).__name__}"
    raise ImageError(f"a {type(image).__name__} is not an image; {cure_of_object(image)}")


@contextmanager
def open_encoded(image: Encoded | ReadContent, name: str, limits: Limits) -> Iterator[BinaryIO]:
    """Open an encoded image as a binary file.

    A path stays open until the context ends. The caller's own file is read as a whole, from its
    start if it can seek.

    Raises:
        ImageError: it cannot be read, or is larger than the limit.
    """
    if isinstance(image, (str, os.PathLike)):
        with _open_path(os.fsdecode(image), name, limits) as file:
            yield file
    else:
        yield io.BytesIO(read_content(image, name, limits))


def read_content(
    image: Encoded | ReadContent, name: str, limits: Limits
) -> bytes | bytearray | memoryview:
    """Read an encoded image as a whole; bytes of any kind are not copied.

    Raises:
        ImageError: it cannot be read, or is larger than the limit.
    """
    if isinstance(image, (str, os.PathLike)):
        with _open_path(os.fsdecode(image), name, limits) as file:
            content = _read_up_to(file, name, limits.max_bytes + 1)
        _check_bytes(len(content), name, limits)
        return content
    if isinstance(image, ReadContent):
        return image.content
    if isinstance(image, (bytes, bytearray, memoryview)):
        _check_bytes(memoryview(image).nbytes, name, limits)
        return image
    return _read_file(image, name, limits)


@contextmanager
def errors_as_image_error(name: str, limits: Limits) -> Iterator[None]:
    """Turn every exception of Pillow into an ImageError about `name`."""
    try:
        yield
    except (ImageError, ReserveError):  # of the second, the image is not the reason
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageError(f"{name} has {_limit_passed(error, limits)}") from error
    except UnidentifiedImageError as error:
        raise unknown_format(name, limits) from error
    except Exception as error:  # Pillow's decoders raise exceptions of any type
        raise ImageError(f"{name} cannot be decoded: {reason_of(error)}") from error


def unknown_format(name: str, limits: Limits, cure: str = "") -> ImageError:
    """Return the error of a file of no known format."""
    known = ", ".join(limits.formats)
    return ImageError(f"{name} is no image that can be decoded; known are {known}{cure}")


def _limit_passed(error: Exception, limits: Limits) -> str:
    """Return the number of pixels that a file claims, the limit that it passes, and the cure."""
    # Pillow's message has the number of pixels first, then its own limit.
    numbers = [int(digits) for digits in re.findall(r"\d+", str(error))]
    if len(numbers) < 2 or numbers[0] > limits.max_pixels:
        return f"more than {limits.max_pixels:,} pixels; shrink it first"
    return (
        f"{numbers[0]:,} pixels, which Pillow itself refuses above {numbers[1]:,}; "
        "shrink it first, or set PIL.Image.MAX_IMAGE_PIXELS"
    )


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


def check_scans(image: Image.Image, name: str, limits: Limits) -> None:
    """Refuse an unread JPEG of too many scans, before it is decoded.

    Raises:
        ImageError: it has more than the limit.
    """
    file, tiles = getattr(image, "fp", None), getattr(image, "tile", None)
    if image.format not in JPEG_FORMATS or file is None or not tiles:
        return
    if has_too_many_scans(file, limits.max_scans, start=tiles[0][2]):
        raise ImageError(
            f"{name} has more than {limits.max_scans} scans; save it anew, or raise max_scans"
        )


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
            f"an array of shape {list(pixels.shape)} is not an image; wanted {WANTED_ARRAY}"
        )
    if 0 in pixels.shape:
        raise ImageError(f"an array of shape {list(pixels.shape)} has no pixels")
    return Image.fromarray(np.ascontiguousarray(pixels))


@contextmanager
def _open_path(path: str, name: str, limits: Limits) -> Iterator[BinaryIO]:
    try:
        # stat comes first: opening a pipe without a writer would block for ever.
        status = os.stat(path)  # noqa: PTH116  a name need not be a Path
        if not stat.S_ISREG(status.st_mode) and not stat.S_ISDIR(status.st_mode):
            raise ImageError(f"{name} is no regular file; read it and give the bytes")
        file = open(path, "rb")  # noqa: PTH123, SIM115  closed below
    except (OSError, ValueError) as error:
        if isinstance(error, ImageError):
            raise
        reason = getattr(error, "strerror", None) or error
        raise ImageError(f"{name} cannot be opened: {reason}{cure_of_path(path)}") from error
    with file:
        _check_bytes(os.fstat(file.fileno()).st_size, name, limits)
        yield file


def _read_file(file: BinaryIO, name: str, limits: Limits) -> bytes:
    if isinstance(file, io.TextIOBase):
        raise ImageError(f"{name} is opened as text; open it with mode 'rb'")
    try:
        with turn_at(file):
            if _can_seek(file):
                file.seek(0)
            content = _read_up_to(file, name, limits.max_bytes + 1)
    except (ImageError, ReserveError):  # of the second, the image is not the reason
        raise
    except Exception as error:  # a caller's own file class may raise anything
        raise ImageError(f"{name} cannot be read: {reason_of(error)}") from error
    _check_bytes(len(content), name, limits)
    return content


def _can_seek(file: BinaryIO) -> bool:
    try:
        return file.seekable()
    except Exception:  # noqa: BLE001  a member of a tar read as a stream raises AttributeError
        return False


def _read_up_to(file: BinaryIO, name: str, n_bytes: int) -> bytes:
    """Read at most `n_bytes`; a raw file or a socket may return fewer at a time than it has."""
    parts = []
    while n_bytes > 0 and (part := file.read(n_bytes)):
        if inspect.isawaitable(part):
            getattr(part, "close", lambda: None)()  # else Python warns that none awaited it
            raise ImageError(
                f"{name} is read by await; give its .file, or the bytes of `await upload.read()`"
            )
        if not isinstance(part, (bytes, bytearray, memoryview)):
            raise ImageError(f"{name} gives {type(part).__name__}, not bytes; open it in mode 'rb'")
        parts.append(part)
        n_bytes -= len(part)
    return b"".join(parts)


def _check_bytes(n_bytes: int, name: str, limits: Limits) -> None:
    if n_bytes > limits.max_bytes:
        raise ImageError(
            f"{name} has more than {limits.max_bytes:,} bytes; shrink it first, or raise max_bytes"
        )
