"""The picture: decoded, eight bits a channel, and with all that must be known to see it rightly."""

from dataclasses import dataclass
from typing import BinaryIO

from PIL import Image

from twinlens.bundle.pixel_mode import PixelMode
from twinlens.bundle.specs import ImageSpec
from twinlens.images.formats.color_modes import eight_bit
from twinlens.images.formats.dct_scale import decode_smaller
from twinlens.images.formats.exif_orientation import UPRIGHT, Orientation, orientation_of
from twinlens.images.geometry.crop import Framing, frame
from twinlens.images.open import READING_ONE, check_size
from twinlens.images.read_options import ReadOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodedImage:
    """A decoded picture."""

    image: Image.Image
    size: tuple[int, int]
    """Width and height as stored: `times` those of the image, or a few pixels less."""
    times: int = 1
    """How many times smaller than stored it was decoded."""
    orientation: Orientation = UPRIGHT

    def framing(self, spec: ImageSpec) -> Framing:
        """Which part of the image the spec shows."""
        return frame(self.size, spec, self.orientation).shrunk(self.times)


def from_file(
    file: BinaryIO, name: str, spec: ImageSpec, mode: PixelMode, read: ReadOptions
) -> DecodedImage:
    """The first frame of an encoded picture.

    Raises:
        ImageError: it is beyond the limits; and Pillow's own errors.
    """
    with Image.open(file, formats=read.limits.formats) as image:
        check_size(image, name, read.limits)
        stored = image.size
        times = decode_smaller(image, spec) if mode == "fast" else 1
        image.load()
        return DecodedImage(
            image=eight_bit(image, name),
            # Pillow turns a TIFF upright while it decodes.
            size=stored if times > 1 else image.size,
            times=times,
            orientation=orientation_of(image) if read.upright else UPRIGHT,
        )


def from_memory(image: Image.Image, name: str, read: ReadOptions) -> DecodedImage:
    """A PIL image as it lies.

    Raises:
        ImageError: it is beyond the limits; and Pillow's own errors.
    """
    check_size(image, name, read.limits)
    with READING_ONE:
        image.load()
    return DecodedImage(image=eight_bit(image, name), size=image.size)
