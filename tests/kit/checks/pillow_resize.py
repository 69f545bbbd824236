"""Resizing of a whole image as Pillow does it from version 13 on: the reference of the pixels."""

import PIL
from PIL import Image

ORDER_IS_CHOSEN = int(PIL.__version__.split(".")[0]) >= 13
NO_CHOICE = f"Pillow {PIL.__version__} always begins with the width, 13 does not"


def resized(image: Image.Image, size: tuple[int, int], filter_: Image.Resampling) -> Image.Image:
    """Resize an image by one call of Pillow, whose older versions always begin with the width."""
    if ORDER_IS_CHOSEN:
        return image.resize(size, filter_)
    width, height = size
    tall = image.height > height and image.height - height > 2 * (image.width - width)
    between = (image.width, height) if tall else (width, image.height)
    return image.resize(between, filter_).resize(size, filter_)
