"""Duplicates: values that are one thing, and rows that are one picture or one text."""

import os
from collections.abc import Hashable, Iterable
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

T = TypeVar("T")

SAME: Final = 1 - 1e-5
"""Cosine from which two rows are one: a batch's shape moves a float32 row by some 1e-7."""
_BLOCK_ROWS: Final = 1024


def distinct(values: Iterable[T]) -> tuple[list[T], NDArray[np.intp]]:
    """Each value once, in order of appearance, and the place [M] of every row among them.

    Paths, bytes and strings are equal by content; PIL images and arrays only if they are one.
    """
    places: dict[Hashable, int] = {}
    firsts: list[T] = []
    rows = []
    for value in values:
        place = places.setdefault(_key(value), len(firsts))
        if place == len(firsts):
            firsts.append(value)
        rows.append(place)
    return firsts, np.array(rows, dtype=np.intp)


def firsts_like(rows: NDArray[np.float32]) -> NDArray[np.intp]:
    """For each of N unit rows [N, D], the number [N] of the first row that is the same."""
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
