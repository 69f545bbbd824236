"""DCT scaling: decoding a JPEG at 1/2, 1/4 or 1/8 of its size, for less time.

A JPEG holds blocks of 8 x 8 DCT coefficients; its decoder can leave out the high frequencies.
"""

from typing import Final

from PIL import Image

from twinlens.bundle.specs import ImageSpec
from twinlens.images.geometry.crop import crop_box
from twinlens.images.geometry.exif_orientation import UPRIGHT

SHARPNESS: Final = 2.55
"""Least number of decoded pixels per output pixel, on either axis.

The cosine to the exact embedding, worst and mean, by features of EfficientNet-Lite0, which see
finer than a tower does:
* 12 camera photographs reduced to 2 and 12 MP, JPEG of several qualities and subsamplings: 0.9990
  and 0.9996 at 2.58 pixels to one (1/2 of 1732 x 1155), 0.9995 and 0.9996 at 3.35;
* as many mosaics with hard seams and grain, harsher than life: 0.9981 and 0.9993 at 2.58;
* 16 photographs enlarged with grain or as mosaics, at qualities 60 and 90: 0.9987 and 0.9997 at
  2.6 and above, 0.9977 and 0.9994 at 2.0. By the demo model 0.9994 and 0.99994 at 2.6.
A colour test chart, all hard edges, is left out of these; its worst is 0.9963.

2.55 is met by 1/2 of 1600 x 1200 and of 1732 x 1155, and by 1/4 of 4000 x 3000, for an input of
224 pixels.
"""
REDUCTIONS: Final = (8, 4, 2)


def dct_reduction(size: tuple[int, int], spec: ImageSpec) -> int:
    """Return the largest of 8, 4, 2 and 1 by which a JPEG of (width, height) may be reduced."""
    # The orientation moves the crop, but does not change its scale.
    scale = crop_box(size, spec, UPRIGHT).scale
    return next((times for times in REDUCTIONS if scale >= SHARPNESS * times), 1)


def reduce_while_decoding(image: Image.Image, spec: ImageSpec) -> int:
    """Set an open, unread JPEG to be decoded smaller, and return the reduction.

    Any other image is left unchanged: 1.
    """
    reduction = dct_reduction(image.size, spec)
    width, height = image.size
    size = (width // reduction, height // reduction)
    if reduction == 1 or image.draft(None, size) is None:
        return 1
    return reduction
