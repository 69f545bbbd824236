"""Duplicates: rows that are one picture or one text, whatever their files or letters are."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

SAME: Final = 1 - 1e-5
"""Cosine from which two rows are one: a batch's shape moves a float32 row by some 1e-7."""
_BLOCK_ROWS: Final = 1024


def firsts_like(rows: NDArray[np.float32]) -> NDArray[np.intp]:
    """For each of N unit rows [N, D], the number [N] of the first row that is the same."""
    firsts = np.arange(len(rows))
    for start in range(0, len(rows), _BLOCK_ROWS):
        stop = min(start + _BLOCK_ROWS, len(rows))
        same = rows[start:stop] @ rows[:stop].T >= SAME
        same[np.arange(stop - start), np.arange(start, stop)] = True
        firsts[start:stop] = same.argmax(axis=1)
    return firsts
