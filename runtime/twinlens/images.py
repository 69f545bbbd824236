"""Anything image-like as uint8 pixels [B, S, S, 3], the way the checkpoint was trained to see."""

import io
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, UnidentifiedImageError

from twinlens.bundle import ImageSpec
from twinlens.errors import ImageError

U8 = NDArray[np.uint8]
ImageLike = str | os.PathLike[str] | bytes | Image.Image | U8

FORMATS: Final = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "PPM", "TIFF", "AVIF")
"""What is decoded, the commonest first, as Pillow imports their modules in this order.

EPS is left out on purpose: Pillow would start Ghostscript for it.
"""
SUFFIXES: Final = frozenset(
    {".avif", ".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp"}
)
"""By which a file in a folder is taken for a picture; one that is named may have any."""
MAX_PIXELS: Final = 64_000_000
"""Refused before decoding: a bomb of a few hundred bytes can ask for gigabytes."""


class Resampling(NamedTuple):
    """A filter of Pillow's."""

    filter: Image.Resampling
    support: float
    """How far it looks to each side, in output pixels."""


RESAMPLING: Final = {
    "bicubic": Resampling(Image.Resampling.BICUBIC, 2.0),
    "bilinear": Resampling(Image.Resampling.BILINEAR, 1.0),
    "lanczos": Resampling(Image.Resampling.LANCZOS, 3.0),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Orientation:
    """How a stored picture lies relative to the seen one (EXIF tag 274)."""

    turn: Image.Transpose | None = None
    mirrored_x: bool = False
    """The stored x axis runs against an axis of the seen picture."""
    mirrored_y: bool = False
    swapped: bool = False
    """The stored x axis is the seen y axis."""


UPRIGHT: Final = Orientation()
ORIENTATIONS: Final = {
    2: Orientation(turn=Image.Transpose.FLIP_LEFT_RIGHT, mirrored_x=True),
    3: Orientation(turn=Image.Transpose.ROTATE_180, mirrored_x=True, mirrored_y=True),
    4: Orientation(turn=Image.Transpose.FLIP_TOP_BOTTOM, mirrored_y=True),
    5: Orientation(turn=Image.Transpose.TRANSPOSE, swapped=True),
    6: Orientation(turn=Image.Transpose.ROTATE_270, mirrored_y=True, swapped=True),
    7: Orientation(turn=Image.Transpose.TRANSVERSE, mirrored_x=True, mirrored_y=True, swapped=True),
    8: Orientation(turn=Image.Transpose.ROTATE_90, mirrored_x=True, swapped=True),
}

_LOADING = threading.Lock()
"""Held while a PIL image that came from outside is decoded.

It may be opened but not yet read, and be given twice: two threads that read it at once get wrong
pixels without a word.
"""


def load_batch(images: Sequence[ImageLike], spec: ImageSpec) -> U8:
    """Pixels [B, S, S, 3] of images, each decoded, resized and cropped as the spec says.

    Raises:
        ImageError: names the first bad image by its index, and why.
    """
    batch = np.empty((len(images), spec.side_px, spec.side_px, 3), dtype=np.uint8)
    for index, (row, image) in enumerate(zip(batch, images, strict=True)):
        try:
            row[:] = load(image, spec)
        except ImageError as error:
            raise ImageError(f"image {index}: {error}") from error
    return batch


def load(image: ImageLike, spec: ImageSpec) -> U8:
    """Pixels [S, S, 3] of one image.

    A path or bytes are turned upright by their EXIF orientation; a PIL image or an array is taken
    as it lies.

    Args:
        image: a path, encoded bytes, a PIL image, or uint8 pixels [H, W], [H, W, 1], [H, W, 3] or
            [H, W, 4].
        spec: side and resizing of the bundle.

    Raises:
        ImageError: it cannot be read; the message says why.
    """
    if isinstance(image, np.ndarray):
        return _fit(_from_array(image), spec, UPRIGHT)
    if isinstance(image, Image.Image):
        with _reasons("the image"):
            with _LOADING:
                pixels = _decoded(image, "the image")
            return _fit(pixels, spec, UPRIGHT)
    if isinstance(image, (bytes, bytearray, memoryview)):
        return _from_file(io.BytesIO(image), f"{len(image)} bytes", spec)
    if isinstance(image, (str, os.PathLike)):
        name = os.fspath(image)
        try:
            file = open(name, "rb")  # noqa: PTH123, SIM115  a name need not be a Path; closed below
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise ImageError(f"{name} cannot be opened: {reason}") from error
        with file:
            return _from_file(file, name, spec)
    raise ImageError(
        f"a {type(image).__name__} is not an image; "
        "give a path, bytes, a PIL image or a uint8 array [H, W, 3]"
    )


def _from_file(file: BinaryIO, name: str, spec: ImageSpec) -> U8:
    with _reasons(name), Image.open(file, formats=FORMATS) as image:
        pixels = _decoded(image, name)
        # Asked after decoding: Pillow itself turns a TIFF upright then, and drops the tag.
        tag = image.getexif().get(ExifTags.Base.Orientation, 1)
        return _fit(pixels, spec, ORIENTATIONS.get(tag, UPRIGHT))


@contextmanager
def _reasons(name: str) -> Iterator[None]:
    """Turn whatever Pillow raises into an ImageError about `name`."""
    try:
        yield
    except ImageError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageError(f"{name} has more than {MAX_PIXELS:,} pixels; shrink it first") from error
    except UnidentifiedImageError as error:
        known = ", ".join(FORMATS)
        raise ImageError(f"{name} is no image that can be decoded; known are {known}") from error
    except Exception as error:  # Pillow's decoders raise whatever they meet
        raise ImageError(f"{name} cannot be decoded: {str(error) or repr(error)}") from error


def _decoded(image: Image.Image, name: str) -> Image.Image:
    """The picture as RGB; its first frame if it has several."""
    if image.width * image.height > MAX_PIXELS:
        raise ImageError(
            f"{name} is {image.width} x {image.height}, more than {MAX_PIXELS:,} pixels; "
            "shrink it first"
        )
    if image.width == 0 or image.height == 0:
        raise ImageError(f"{name} is {image.width} x {image.height}: it has no pixels")
    image.load()
    if image.mode.startswith("I;16"):
        # Pillow would clip everything above 255 to white.
        wide = np.asarray(image).astype(np.uint32)
        return Image.fromarray(((wide + 128) // 257).astype(np.uint8)).convert("RGB")
    if image.mode in ("I", "F"):
        raise ImageError(
            f"{name} has {image.mode} pixels, whose range is not known; convert it to 8 bit"
        )
    if image.has_transparency_data:
        white = Image.new("RGBA", image.size, "white")  # as transformers does
        return Image.alpha_composite(white, image.convert("RGBA")).convert("RGB")
    return image if image.mode == "RGB" else image.convert("RGB")


def _from_array(pixels: U8) -> Image.Image:
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
    return _decoded(Image.fromarray(np.ascontiguousarray(pixels)), "the array")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Span:
    """What is seen of one stored axis, from start to stop, and the pixels that decide it."""

    start: float
    stop: float
    first: int
    last: int


def _fit(image: Image.Image, spec: ImageSpec, orientation: Orientation) -> U8:
    """Resize in two explicit passes, the crop as a box.

    One resize of the whole picture followed by a crop gives the same pixels, but computes what is
    thrown away; and one resize with a box lets Pillow choose the order of its passes, which drifts
    by up to 10 levels on portraits.
    """
    across, down = _spans(image.size, spec, orientation)
    # A box is float32 to Pillow: it must start near zero to be exact on a very long picture.
    band = image.crop((across.first, down.first, across.last, down.last))
    side, filter_ = spec.side_px, RESAMPLING[spec.interpolation].filter

    def squeeze_x(part: Image.Image) -> Image.Image:
        box = (across.start - across.first, 0, across.stop - across.first, part.height)
        return part.resize((side, part.height), filter_, box=box)

    def squeeze_y(part: Image.Image) -> Image.Image:
        box = (0, down.start - down.first, part.width, down.stop - down.first)
        return part.resize((part.width, side), filter_, box=box)

    # The seen x axis goes first, as if the picture had been turned before.
    small = squeeze_x(squeeze_y(band)) if orientation.swapped else squeeze_y(squeeze_x(band))
    if orientation.turn is not None:
        small = small.transpose(orientation.turn)
    return np.asarray(small)


def _spans(
    stored: tuple[int, int], spec: ImageSpec, orientation: Orientation
) -> tuple[_Span, _Span]:
    """What is seen of the stored width, and of the stored height."""
    width, height = stored
    short = None if spec.resize == "squash" else min(stored)
    return (
        _span(width, short or width, spec, mirrored=orientation.mirrored_x),
        _span(height, short or height, spec, mirrored=orientation.mirrored_y),
    )


def _span(length: int, short: int, spec: ImageSpec, *, mirrored: bool) -> _Span:
    """The middle of an axis that is cropped after `short` pixels became the side."""
    side = spec.side_px
    # Integer truncation, as transformers does: 341 for 1024 x 768 at 256.
    resized = side * length // short
    spare = resized - side
    offset = spare // 2 if spec.crop == "floor" else round(spare / 2)
    if mirrored:
        offset = spare - offset
    scale = length / resized
    start, stop = offset * scale, (offset + side) * scale
    reach = RESAMPLING[spec.interpolation].support * max(1.0, scale) + 1
    return _Span(
        start=start,
        stop=stop,
        first=max(0, int(start - reach)),
        last=min(length, int(stop + reach) + 1),
    )
