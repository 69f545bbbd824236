"""The DCT scale: how much smaller a JPEG may be decoded.

A JPEG holds blocks of 8 x 8 coefficients; its decoder can leave out the fine ones and give 1/2, 1/4
or 1/8 of the size, for less time than the whole takes.
"""

from typing import Final

from PIL import Image

from twinlens.bundle.specs import ImageSpec
from twinlens.images.formats.exif_orientation import UPRIGHT
from twinlens.images.geometry.crop import frame

SHARPNESS: Final = 2.55
"""What a smaller decoding keeps at least: so many pixels to one of the square's, on either axis.

The cosine to the exact embedding, worst and mean, by features of EfficientNet-Lite0, which see
finer than a tower does:
* 12 camera photographs reduced to 2 and 12 MP, JPEG of several qualities and subsamplings: 0.9990
  and 0.9996 at 2.58 pixels to one (1/2 of 1732 x 1155), 0.9995 and 0.9996 at 3.35;
* as many mosaics with hard seams and grain, harsher than life: 0.9981 and 0.9993 at 2.58;
* 16 photographs enlarged with grain or as mosaics, at qualities 60 and 90: 0.9987 and 0.9997 at
  2.6 and above, 0.9977 and 0.9994 at 2.0. By the demo model 0.9994 and 0.99994 at 2.6.
A colour test chart, all hard edges, is left out of these; its worst is 0.9963.

2.55 is met by 1/2 of 1600 x 1200 and of 1732 x 1155, and by 1/4 of 4000 x 3000, for a side of 224.
"""
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
