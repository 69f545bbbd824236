"""The DCT scale: how much smaller a JPEG may be decoded.

A JPEG holds blocks of 8 x 8 coefficients; its decoder can leave out the fine ones and give 1/2, 1/4
or 1/8 of the size, for less time than the whole takes.
"""

from typing import Final

from PIL import Image

from twinlens.bundle import ImageSpec
from twinlens.pixels.framing import frame
from twinlens.pixels.orientation import UPRIGHT

SHARPNESS: Final = 2.5
"""What a smaller decoding keeps at least: so many pixels to one of the square's, on either axis."""
SCALES: Final = (8, 4, 2)


def dct_scale(size: tuple[int, int], spec: ImageSpec) -> int:
    """1, or how many times smaller a JPEG of that width and height may be decoded."""
    # How it is turned moves the crop, but not the scale.
    scale = frame(size, spec, UPRIGHT).scale
    return next((times for times in SCALES if scale >= SHARPNESS * times), 1)


def decode_smaller(image: Image.Image, spec: ImageSpec) -> int:
    """Have a JPEG that is open but unread decoded smaller, and say how many times.

    Any other picture stays as it is: 1.
    """
    times = dct_scale(image.size, spec)
    width, height = image.size
    if times == 1 or image.draft(None, (width // times, height // times)) is None:
        return 1
    return times
