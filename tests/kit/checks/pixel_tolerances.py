"""The tolerances of pixels against transformers' processors, in levels of 256."""

import numpy as np
from pillow_resize import ORDER_IS_CHOSEN

from twinlens.images.load import U8

ROUNDING = 2
"""The first pass rounds to whole levels, and the second may magnify the rounding."""
ORDER = 10
"""Before version 13, Pillow always resized the width first; twinlens does as version 13."""
MEAN = 0.3
"""Of the mean over all pixels."""


def levels_of(width: int, height: int) -> int:
    """Return the tolerance of single pixels for an image of that size."""
    return ORDER if height > width and not ORDER_IS_CHOSEN else ROUNDING


def require_close(found: U8, wanted: U8, levels: int) -> None:
    """Assert that no pixel differs by more than `levels`, nor the mean by more than MEAN."""
    difference = np.abs(found.astype(int) - wanted.astype(int))
    assert difference.max() <= levels
    assert difference.mean() <= MEAN
