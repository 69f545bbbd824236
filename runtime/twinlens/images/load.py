"""Loading of anything image-like as uint8 pixels [B, S, S, 3], preprocessed for the checkpoint."""

import io
from collections.abc import Sequence
from typing import Final

import numpy as np
from PIL import Image, ImageChops, UnidentifiedImageError

from twinlens.bundle.pixel_mode import PixelMode
from twinlens.bundle.specs import ImageSpec
from twinlens.errors import ImageError
from twinlens.images.decoded_image import DecodedImage, decode_file, decode_pil
from twinlens.images.formats.jpeg_segments import EOI, lacks_eoi
from twinlens.images.formats.png_metadata import without_metadata
from twinlens.images.image_like import U8, Encoded, ImageLike, ReadContent
from twinlens.images.read_options import READ_DEFAULTS, ReadOptions
from twinlens.images.sources.cures import cure_of_content
from twinlens.images.sources.open import (
    errors_as_image_error,
    image_from_array,
    open_encoded,
    source_name,
    unknown_format,
)
from twinlens.images.transform import transform_into

IMAGE_SUFFIXES: Final = frozenset(
    {
        *(".avif", ".avifs", ".bmp", ".dib", ".gif", ".tif", ".tiff", ".webp"),
        *(".jfif", ".jpe", ".jpeg", ".jpg", ".mpo"),
        *(".apng", ".png"),
        *(".pbm", ".pgm", ".pnm", ".ppm"),
    }
)
"""Suffixes, in lower case, of the image files in a folder or a tar: all those that Pillow gives to
the formats of `Limits`. A file given by name may have any suffix."""
HEAD_BYTES: Final = 4096
"""Bytes that tell what a file of no known format is."""
NOISE: Final = bytes(range(1, 255)) * 2
"""Bytes that would be decoded into visible pixels if a block of a JPEG were missing. They hold no
0xff, so no marker."""


def load_batch(
    images: Sequence[ImageLike],
    spec: ImageSpec,
    *,
    mode: PixelMode = "exact",
    read: ReadOptions = READ_DEFAULTS,
) -> U8:
    """Load images as pixels [B, S, S, 3], each decoded, resized and cropped by the spec.

    Raises:
        ImageError: an image cannot be loaded; the message has the index of the first and the
            reason.
    """
    batch = np.empty((len(images), spec.side_px, spec.side_px, 3), dtype=np.uint8)
    for index, (row, image) in enumerate(zip(batch, images, strict=True)):
        try:
            load_into(row, image, spec, mode=mode, read=read)
        except ImageError as error:
            raise ImageError(f"image {index}: {error}") from error
    return batch


def load(
    image: ImageLike | ReadContent,
    spec: ImageSpec,
    *,
    mode: PixelMode = "exact",
    read: ReadOptions = READ_DEFAULTS,
) -> U8:
    """Load one image as pixels [S, S, 3].

    Paths, bytes and files are turned upright by their EXIF orientation; PIL images and arrays keep
    theirs. images/IMAGES.md lists the result of every unusual input.

    Args:
        image: a path, encoded bytes, a binary file, a PIL image, or uint8 pixels [H, W], [H, W, 1],
            [H, W, 3] or [H, W, 4].
        spec: size and resizing of the bundle.
        mode: "exact" follows the checkpoint's own preprocessing, "fast" decodes large JPEGs
            smaller.
        read: options for unusual files, and the limits.

    Raises:
        ImageError: it cannot be read; the message has the reason.
    """
    row = np.empty((spec.side_px, spec.side_px, 3), dtype=np.uint8)
    load_into(row, image, spec, mode=mode, read=read)
    return row


def load_into(
    row: U8,
    image: ImageLike | ReadContent,
    spec: ImageSpec,
    *,
    mode: PixelMode = "exact",
    read: ReadOptions = READ_DEFAULTS,
) -> None:
    """Load one image into a row [S, S, 3] of a batch; after an error the row is undefined.

    Raises:
        ImageError: it cannot be read; the message has the reason.
    """
    name, limits = source_name(image), read.limits
    with errors_as_image_error(name, limits):
        if isinstance(image, np.ndarray):
            decoded = decode_pil(image_from_array(image), name, read)
        elif isinstance(image, Image.Image):
            decoded = decode_pil(image, name, read)
        else:
            decoded = decode_encoded(image, name, spec, mode, read)
        transform_into(row, decoded, spec, read)


def decode_encoded(
    image: Encoded | ReadContent, name: str, spec: ImageSpec, mode: PixelMode, read: ReadOptions
) -> DecodedImage:
    """Decode an encoded image; "fast" may decode a JPEG smaller, as the spec allows.

    Raises:
        ImageError: it is beyond the limits, or torn; and Pillow's own errors.
    """
    with open_encoded(image, name, read.limits) as file:
        if "JPEG" in read.limits.formats and lacks_eoi(file):
            file.seek(0)
            return _decode_without_eoi(file.read(), name, spec, mode, read)
        file.seek(0)
        try:
            return decode_file(file, name, spec, mode, read)
        except (ImageError, Image.DecompressionBombError, Image.DecompressionBombWarning):
            raise
        except Exception as error:
            bare = without_metadata(file) if "PNG" in read.limits.formats else None
            if bare is None:
                file.seek(0)
                cure = cure_of_content(file.read(HEAD_BYTES), read.limits)
                if cure and isinstance(error, UnidentifiedImageError):
                    raise unknown_format(name, read.limits, cure) from error
                raise
    return decode_file(io.BytesIO(bare), name, spec, mode, read)


def _decode_without_eoi(
    content: bytes, name: str, spec: ImageSpec, mode: PixelMode, read: ReadOptions
) -> DecodedImage:
    """Decode a JPEG without its EOI (end of image) marker if nothing but the marker is missing.

    Pillow refuses it as it does a truncated one. An image without its marker is complete: bytes
    appended to it do not change any pixel. That is the test: two different endings must decode to
    the same pixels.

    Raises:
        ImageError: more than the marker is missing; and Pillow's own errors.
    """
    plain, noisy = (
        decode_file(io.BytesIO(content + ending), name, spec, mode, read)
        for ending in (EOI, NOISE + EOI)
    )
    if ImageChops.difference(plain.image, noisy.image).getbbox() is not None:
        raise ImageError(f"{name} cannot be decoded: the JPEG is truncated")
    return plain
