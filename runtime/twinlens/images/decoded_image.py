"""Decoded images with eight bits a channel, and the facts that their transform needs."""

from contextlib import nullcontext
from dataclasses import dataclass
from typing import BinaryIO

from PIL import Image

from twinlens.bundle.pixel_mode import PixelMode
from twinlens.bundle.specs import ImageSpec
from twinlens.errors import ImageError
from twinlens.images.formats.color_modes import to_eight_bit
from twinlens.images.formats.dct_scale import reduce_while_decoding
from twinlens.images.formats.jpeg_segments import MAX_EXIF_SEGMENTS, has_too_many_exif_segments
from twinlens.images.formats.png_transparency import raw_mode, scale_transparent_colour
from twinlens.images.geometry.crop import CropBox, crop_box
from twinlens.images.geometry.exif_orientation import UPRIGHT, Orientation, orientation_of
from twinlens.images.limits import Limits
from twinlens.images.read_options import ReadOptions
from twinlens.images.sources.open import check_scans, check_size
from twinlens.images.sources.turns import turn_at
from twinlens.ort.memory.address_space import require_address_space


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodedImage:
    """A decoded image as stored, not yet turned by its orientation."""

    image: Image.Image
    size: tuple[int, int]
    """Width and height as stored: `reduction` times those of `image`, or a few pixels less."""
    reduction: int = 1
    """Divisor of the stored size at decoding: 1, 2, 4 or 8."""
    orientation: Orientation = UPRIGHT

    def crop_box(self, spec: ImageSpec) -> CropBox:
        """Return the part of `image` that the spec selects."""
        return crop_box(self.size, spec, self.orientation).reduced(self.reduction)


def decode_file(
    file: BinaryIO, name: str, spec: ImageSpec, mode: PixelMode, read: ReadOptions
) -> DecodedImage:
    """Decode the first frame of an encoded image.

    Raises:
        ImageError: it is beyond the limits; and Pillow's own errors.
    """
    if has_too_many_exif_segments(file):
        raise ImageError(
            f"{name} has more than {MAX_EXIF_SEGMENTS} EXIF segments; save it anew without metadata"
        )
    with Image.open(file, formats=read.limits.formats) as image:
        check_size(image, name, read.limits)
        check_scans(image, name, read.limits)
        stored = image.size
        reduction = reduce_while_decoding(image, spec) if mode == "fast" else 1
        _load(image)
        return DecodedImage(
            image=to_eight_bit(image, name),
            # Pillow turns a TIFF upright while it decodes, which may swap width and height.
            size=stored if reduction > 1 else image.size,
            reduction=reduction,
            orientation=orientation_of(image) if read.upright else UPRIGHT,
        )


def decode_pil(image: Image.Image, name: str, read: ReadOptions) -> DecodedImage:
    """Decode a PIL image, which keeps its stored orientation.

    Raises:
        ImageError: it is beyond the limits; and Pillow's own errors.
    """
    check_size(image, name, read.limits)
    return DecodedImage(image=load_eight_bit(image, name, read.limits), size=image.size)


def load_eight_bit(image: Image.Image, name: str, limits: Limits) -> Image.Image:
    """Load a PIL image, and return it with eight bits a channel; the same if it has them.

    It is loaded in its own turn, and in that of the file that it is read from.

    Raises:
        ImageError: the range of its values is unknown, or it has too many scans; and Pillow's own
            errors.
    """
    with turn_at(image):
        file = getattr(image, "fp", None)
        # Two images of one archive share its file.
        with turn_at(file) if file is not None else nullcontext():
            check_scans(image, name, limits)
            _load(image)
    return to_eight_bit(image, name)


def _load(image: Image.Image) -> None:
    require_address_space("an image")  # without memory, Pillow's decoders crash
    raw = raw_mode(image)
    image.load()
    scale_transparent_colour(image, raw)
