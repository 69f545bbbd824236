"""bfloat16: the upper half of a float32, as arrays that numpy has no type for."""

from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

F32: TypeAlias = NDArray[np.float32]

BF16: Final = np.dtype([("bf16", "<u2")])
"""A type of its own, so that its bits are not taken for whole numbers."""
Bf16: TypeAlias = NDArray[Any]
"""Array of `BF16`."""


def rounded(array: F32) -> Bf16:
    """Round finite numbers to the nearest bfloat16, half to even; those below 2^-126 to zero.

    The last is what AVX512-BF16 makes of them.
    """
    bits = np.ascontiguousarray(array, np.float32).view(np.uint32)
    upper = ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype("<u2")
    tiny = np.abs(array) < np.finfo(np.float32).tiny
    return np.where(tiny, upper & 0x8000, upper).astype("<u2").view(BF16)


def widened(array: Bf16) -> F32:
    """Return the same numbers as float32."""
    return (array.view("<u2").astype(np.uint32) << 16).view(np.float32)
