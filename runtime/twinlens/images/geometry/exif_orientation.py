"""EXIF orientation: the transpose that turns a stored image upright."""

from dataclasses import dataclass
from typing import Final

from PIL import ExifTags, Image


@dataclass(frozen=True, slots=True, kw_only=True)
class Orientation:
    """One of the eight values of EXIF tag 274."""

    transpose: Image.Transpose | None = None
    """Pillow's transpose from stored to upright; None if it is stored upright."""
    mirrored_x: bool = False
    """True if the stored x axis runs against an axis of the upright image."""
    mirrored_y: bool = False
    """True if the stored y axis runs against an axis of the upright image."""
    swapped: bool = False
    """True if the stored x axis is the y axis of the upright image."""


UPRIGHT: Final = Orientation()
ORIENTATIONS: Final = {
    2: Orientation(transpose=Image.Transpose.FLIP_LEFT_RIGHT, mirrored_x=True),
    3: Orientation(transpose=Image.Transpose.ROTATE_180, mirrored_x=True, mirrored_y=True),
    4: Orientation(transpose=Image.Transpose.FLIP_TOP_BOTTOM, mirrored_y=True),
    5: Orientation(transpose=Image.Transpose.TRANSPOSE, swapped=True),
    6: Orientation(transpose=Image.Transpose.ROTATE_270, mirrored_y=True, swapped=True),
    7: Orientation(
        transpose=Image.Transpose.TRANSVERSE, mirrored_x=True, mirrored_y=True, swapped=True
    ),
    8: Orientation(transpose=Image.Transpose.ROTATE_90, mirrored_x=True, swapped=True),
}


def orientation_of(image: Image.Image) -> Orientation:
    """Return the EXIF orientation of a decoded file; upright if it is absent or unreadable.

    Call it after decoding: Pillow itself turns a TIFF upright then, and drops the tag.
    """
    try:
        tag = image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # noqa: BLE001  damaged metadata does not make the image unreadable
        return UPRIGHT
    return ORIENTATIONS.get(tag, UPRIGHT)
