"""Pictures of many kinds, made from a seed: the drawings of the demo on clouds of colour."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from twinlens.demo.samples import bundled_drawings

U8 = NDArray[np.uint8]

MOST_DRAWINGS: Final = 4
GRAIN: Final = 6.0


def pictures(count: int, side_px: int, seed: int) -> U8:
    """Return pixels [B, S, S, 3]: no two alike, and none alike those of another seed."""
    random = np.random.default_rng([seed, side_px])
    drawings = [Image.open(drawing.path).convert("RGBA") for drawing in bundled_drawings()]
    return np.stack([picture(random, drawings, side_px) for _ in range(count)])


def picture(random: np.random.Generator, drawings: Sequence[Image.Image], side_px: int) -> U8:
    """Draw one picture [S, S, 3]: drawings of any size on slowly changing colours, with grain."""
    rough = random.integers(0, 256, (*random.integers(1, 6, 2), 3), dtype=np.uint8)
    canvas = Image.fromarray(rough).resize((side_px, side_px), Image.Resampling.BICUBIC)
    for _ in range(random.integers(1, MOST_DRAWINGS + 1)):
        size = int(random.integers(side_px // 5, side_px))
        drawn = drawings[random.integers(len(drawings))].resize((size, size))
        left, top = (int(place) for place in random.integers(-size // 4, side_px - size // 2, 2))
        canvas.paste(drawn, (left, top), drawn)
    grain = random.normal(0, GRAIN, (side_px, side_px, 3))
    return (np.asarray(canvas) + grain).round().clip(0, 255).astype(np.uint8)
