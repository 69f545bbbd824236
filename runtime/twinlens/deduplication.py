"""Deduplication: equal values, and equal rows of embeddings."""

import os
from collections.abc import Hashable, Iterable
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

T = TypeVar("T")

SAME: Final = 1 - 1e-5
"""Least cosine of equal rows: the batch size alone changes a float32 row by some 1e-7."""
_BLOCK_ROWS: Final = 1024


def distinct(values: Iterable[T]) -> tuple[list[T], NDArray[np.intp]]:
    """Return each value once, in order of appearance, and the position [M] of every row among them.

    Paths, bytes and strings are equal by content; PIL images and arrays by identity.
    """
    positions: dict[Hashable, int] = {}
    firsts: list[T] = []
    rows = []
    for value in values:
        position = positions.setdefault(_key(value), len(firsts))
        if position == len(firsts):
            firsts.append(value)
        rows.append(position)
    return firsts, np.array(rows, dtype=np.intp)


def first_equal_rows(rows: NDArray[np.float32]) -> NDArray[np.intp]:
    """Return the number [N] of the first equal row of each of N unit rows [N, D]."""
    firsts = np.arange(len(rows))
    for start in range(0, len(rows), _BLOCK_ROWS):
        stop = min(start + _BLOCK_ROWS, len(rows))
        same = rows[start:stop] @ rows[:stop].T >= SAME
        same[np.arange(stop - start), np.arange(start, stop)] = True
        firsts[start:stop] = same.argmax(axis=1)
    return firsts


def _key(value: object) -> Hashable:
    if isinstance(value, os.PathLike):
        return str(os.fspath(value))
    return value if isinstance(value, (str, bytes)) else id(value)
