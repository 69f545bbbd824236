"""Images on which image processors differ: odd sizes, and modes other than RGB."""

from collections.abc import Iterator
from typing import Final

import numpy as np
from PIL import Image

SIZES: Final = (
    (640, 427), (427, 640), (301, 299), (33, 200), (63, 65), (200, 33), (500, 41), (41, 500),
    (3, 5), (1, 1),
)  # fmt: skip
"""Width and height in px: wide, tall, nearly square, enlarged on one axis, tiny."""
MODES: Final = ("L", "LA", "RGBA", "P", "1", "CMYK", "YCbCr")


def odd_images(side_px: int) -> Iterator[Image.Image]:
    """Yield images of odd sizes, then one of each mode; smooth shades under noise.

    Args:
        side_px: of the tower's input, which is among the sizes, as are its neighbours.
    """
    near = [(side_px, side_px), (side_px + 1, side_px), (side_px - 1, side_px + 2)]
    for width, height in (*SIZES, *near):
        yield _picture(width, height)
    for mode in MODES:
        image = _picture(150, 97)
        if mode.endswith("A"):
            image = image.convert("RGB" if mode == "RGBA" else "L")
            image.putalpha(Image.linear_gradient("L").resize(image.size))
            yield image
        else:
            yield image.convert(mode)


def _picture(width: int, height: int) -> Image.Image:
    random = np.random.default_rng([width, height])
    across, down = np.linspace(0, 160, width), np.linspace(0, 60, height)
    shades = across[None, :, None] + down[:, None, None] * np.array([1.0, 0.5, 0.0])
    noise = random.uniform(0, 35, (height, width, 3))
    return Image.fromarray((shades + noise).astype(np.uint8))
