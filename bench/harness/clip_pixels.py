"""CLIP's pixel normalization in numpy."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

U8 = NDArray[np.uint8]
F32 = NDArray[np.float32]

MEAN: Final = (0.48145466, 0.4578275, 0.40821073)
STD: Final = (0.26862954, 0.26130258, 0.27577711)


def scaled(pixels: U8) -> F32:
    """Return [B, 3, S, S] as the checkpoint's processor makes it of pixels [B, S, S, 3]."""
    values = (pixels.astype(np.float32) / np.float32(255) - np.float32(MEAN)) / np.float32(STD)
    return np.ascontiguousarray(values.transpose(0, 3, 1, 2))
