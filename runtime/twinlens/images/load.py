"""Anything image-like as uint8 pixels [B, S, S, 3], the way the checkpoint was trained to see."""

import io
from collections.abc import Sequence
from typing import Final

import numpy as np
from PIL import Image

from twinlens.bundle.pixel_mode import PixelMode
from twinlens.bundle.specs import ImageSpec
from twinlens.errors import ImageError
from twinlens.images.decoded_image import DecodedImage, from_file, from_memory
from twinlens.images.formats.truncated_jpeg import mended
from twinlens.images.open import U8, Encoded, from_array, opened, reasons, source_name
from twinlens.images.open import ImageLike as ImageLike
from twinlens.images.read_options import READ_DEFAULTS, ReadOptions
from twinlens.images.transform import paint

SUFFIXES: Final = frozenset(
    {".avif", ".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp"}
)
"""By which a file in a folder is taken for a picture; one that is named may have any."""


def load_batch(
    images: Sequence[ImageLike],
    spec: ImageSpec,
    *,
    mode: PixelMode = "exact",
    read: ReadOptions = READ_DEFAULTS,
) -> U8:
    """Pixels [B, S, S, 3] of images, each decoded, resized and cropped as the spec says.

    Raises:
        ImageError: names the first bad image by its index, and why.
    """
    batch = np.empty((len(images), spec.side_px, spec.side_px, 3), dtype=np.uint8)
    for index, (row, image) in enumerate(zip(batch, images, strict=True)):
        try:
            load_into(row, image, spec, mode=mode, read=read)
        except ImageError as error:
            raise ImageError(f"image {index}: {error}") from error
    return batch


def load(
    image: ImageLike,
    spec: ImageSpec,
    *,
    mode: PixelMode = "exact",
    read: ReadOptions = READ_DEFAULTS,
) -> U8:
    """Pixels [S, S, 3] of one image.

    A path, bytes or a file are turned upright by their EXIF orientation; a PIL image or an array is
    taken as it lies. What every oddity gives: images/IMAGES.md.

    Args:
        image: a path, encoded bytes, a binary file, a PIL image, or uint8 pixels [H, W], [H, W, 1],
            [H, W, 3] or [H, W, 4].
        spec: side and resizing of the bundle.
        mode: "exact" follows the checkpoint's own preprocessing, "fast" decodes large JPEGs
            smaller.
        read: options for oddities, and the limits.

    Raises:
        ImageError: it cannot be read; the message says why.
    """
    row = np.empty((spec.side_px, spec.side_px, 3), dtype=np.uint8)
    load_into(row, image, spec, mode=mode, read=read)
    return row


def load_into(
    row: U8,
    image: ImageLike,
    spec: ImageSpec,
    *,
    mode: PixelMode = "exact",
    read: ReadOptions = READ_DEFAULTS,
) -> None:
    """As `load`, into a row [S, S, 3] of a batch; after an error the row may hold anything.

    Raises:
        ImageError: it cannot be read; the message says why.
    """
    name, limits = source_name(image), read.limits
    with reasons(name, limits):
        if isinstance(image, np.ndarray):
            picture = from_memory(from_array(image), name, read)
        elif isinstance(image, Image.Image):
            picture = from_memory(image, name, read)
        else:
            picture = _decoded(image, name, spec, mode, read)
        paint(row, picture, spec, read)


def _decoded(
    image: Encoded, name: str, spec: ImageSpec, mode: PixelMode, read: ReadOptions
) -> DecodedImage:
    with opened(image, name, read.limits) as file:
        try:
            return from_file(file, name, spec, mode, read)
        except OSError:
            file.seek(0)
            whole = mended(file.read())
            if whole is None:
                raise
        return from_file(io.BytesIO(whole), name, spec, mode, read)
