"""The orientation: how a stored picture lies relative to the seen one."""

from dataclasses import dataclass
from typing import Final

from PIL import ExifTags, Image


@dataclass(frozen=True, slots=True, kw_only=True)
class Orientation:
    """One of the eight values of EXIF tag 274."""

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


def orientation_of(image: Image.Image) -> Orientation:
    """What a decoded file says of itself; upright if it says nothing that can be read.

    Ask after decoding: Pillow itself turns a TIFF upright then, and drops the tag.
    """
    try:
        tag = image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # noqa: BLE001  a damaged note beside a picture is no damaged picture
        return UPRIGHT
    return ORIENTATIONS.get(tag, UPRIGHT)
