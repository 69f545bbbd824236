"""Generated pictures with names: the same for each number, in any process."""

import io
from collections.abc import Iterator
from typing import Final

import numpy as np
from PIL import Image

from twinlens import NamedImage

_NOISE: Final = np.random.default_rng(0).integers(0, 256, 2**20, dtype=np.uint8)


def arrays(count: int, *, side_px: int = 32) -> Iterator[NamedImage]:
    """Yield pictures of noise as arrays: nothing is decoded."""
    n_bytes = 3 * side_px * side_px
    for number in range(count):
        start = 7919 * number % (len(_NOISE) - n_bytes)
        pixels = _NOISE[start : start + n_bytes].reshape(side_px, side_px, 3)
        yield NamedImage(f"pictures/{number:08d}.png", pixels)


def encoded(count: int, *, side_px: int = 8) -> Iterator[NamedImage]:
    """Yield pictures as PNG, every thousandth of them torn."""
    for image in arrays(count, side_px=side_px):
        file = io.BytesIO()
        Image.fromarray(np.asarray(image.image)).save(file, "PNG", compress_level=0)
        content = file.getvalue()
        torn = image.name.endswith("500.png")
        yield NamedImage(image.name, content[: len(content) // 2] if torn else content)
