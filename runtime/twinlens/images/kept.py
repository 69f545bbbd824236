"""Images kept as they are drawn from a source that may reuse or end them before the next one.

Generators refill one array or one BytesIO, hand out the frames of one animation, close the file
that they gave, or write the next image under the name of the last. Threads decode later, so that
everything but the members of a list, a tuple, an array or a column is copied, or read, by the
thread that draws it.
"""

import io
from collections import deque
from collections.abc import Iterable, KeysView, ValuesView
from typing import Final, NamedTuple

import numpy as np
from PIL import Image

from twinlens.errors import ImageError
from twinlens.images.decoded_image import load_eight_bit
from twinlens.images.image_like import ImageLike, ReadContent
from twinlens.images.limits import Limits
from twinlens.images.named_image import ListedImage, NamedImage
from twinlens.images.open import (
    check_size,
    errors_as_image_error,
    path_of,
    read_content,
    source_name,
)
from twinlens.images.turns import turn_at

LASTING: Final = (list, tuple, deque, np.ndarray, KeysView, ValuesView)
"""Collections whose members stay as they are while others are drawn."""
REOPENED: Final = {"JPEG": ("JPEG",), "MPO": ("JPEG", "MPO"), "PNG": ("PNG",)}
"""Formats of unread PIL images that are read now and decoded later, by the threads."""


class KeptImage(NamedTuple):
    """An image that no longer depends on its source."""

    name: str | None
    """Name of a NamedImage, or the path; None for other images."""
    image: ImageLike | ReadContent | ImageError


Drawn = ImageLike | NamedImage | KeptImage
"""An image of a stream."""


def drawn(images: Iterable[ImageLike | NamedImage], limits: Limits) -> Iterable[Drawn]:
    """Return the images, each kept as it is drawn unless they are members of a collection."""
    # pandas and polars columns have to_list.
    if isinstance(images, LASTING) or hasattr(images, "to_list"):
        return images
    return (keep(image, limits) for image in images)


def keep(given: ImageLike | NamedImage, limits: Limits) -> NamedImage | KeptImage:
    """Return an image that stays as it is now; an ImageError in its place if it cannot be read."""
    if isinstance(given, ListedImage):
        return given
    name, image = given if isinstance(given, NamedImage) else (None, given)
    if isinstance(image, ImageError):
        return KeptImage(name, image)
    try:
        name = path_of(image) if name is None else name
        return KeptImage(name, _kept(image, limits))
    except ImageError as error:
        return KeptImage(name, error)
    except Exception:  # noqa: BLE001  an object of no use as an image; `load` tells the reason
        return KeptImage(name, image)


def _kept(image: ImageLike, limits: Limits) -> ImageLike | ReadContent:
    if isinstance(image, bytes):
        return image
    name = source_name(image)
    if isinstance(image, np.ndarray):
        # What is no image, or too large for one, is refused later, uncopied.
        fits = image.dtype == np.uint8 and image.size <= 4 * limits.max_pixels
        return np.array(image) if fits else image
    if isinstance(image, Image.Image):
        with errors_as_image_error(name, limits):
            return _kept_pil(image, name, limits)
    content = bytes(read_content(image, name, limits))
    if isinstance(image, (bytearray, memoryview)):
        return content
    return ReadContent(name, content)


def _kept_pil(image: Image.Image, name: str, limits: Limits) -> Image.Image:
    check_size(image, name, limits)
    if (again := _reopened(image, limits)) is not None:
        return again
    eight_bit = load_eight_bit(image, name)
    return eight_bit.copy() if eight_bit is image else eight_bit


def _reopened(image: Image.Image, limits: Limits) -> Image.Image | None:
    """Return an unread image, opened anew on a copy of its file; None if it may not be that image.

    Threads decode it then: an open JPEG costs the thread that draws the copy of its bytes.
    """
    formats, file = REOPENED.get(image.format or ""), getattr(image, "fp", None)
    tiles = getattr(image, "tile", None)
    if formats is None or file is None or not tiles or image.tell() != 0:
        return None
    with turn_at(image), turn_at(file):
        place = file.tell()
        file.seek(0)
        content = file.read(limits.max_bytes + 1)
        file.seek(place)
    if len(content) > limits.max_bytes:
        return None
    again = Image.open(io.BytesIO(content), formats=formats)
    # The caller may have called `draft`, or have changed the mode.
    if (again.size, again.mode, getattr(again, "tile", None)) != (image.size, image.mode, tiles):
        return None
    again.info = dict(image.info)
    return again
