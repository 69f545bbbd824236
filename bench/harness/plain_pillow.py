"""CLIP's preprocessing as a plain script has it, in Pillow."""

from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image

from bench.harness.clip_pixels import U8

SIDE_PX: Final = 224


def plain_pixels(path: Path, side_px: int = SIDE_PX) -> U8:
    """Return pixels [S, S, 3] of a file: open, convert, resize the shortest edge, crop."""
    with Image.open(path) as image:
        rgb = image.convert("RGB")
    width, height = rgb.size
    short = min(width, height)
    width, height = side_px * width // short, side_px * height // short
    small = rgb.resize((width, height), Image.Resampling.BICUBIC)
    left, top = (width - side_px) // 2, (height - side_px) // 2
    return np.asarray(small.crop((left, top, left + side_px, top + side_px)))
