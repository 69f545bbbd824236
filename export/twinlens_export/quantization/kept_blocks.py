"""The blocks of an int8 tower that stay in float32: as few as it takes."""

from collections.abc import Callable
from typing import Final

MOST_KEPT: Final = 0.25
"""Largest share of a tower's blocks that may stay in float32 in an int8 tower."""


def tries_of(most: int) -> int:
    """Return the number of tries that `fewest` takes at most to bisect that many blocks."""
    return 1 + max(0, most - 1).bit_length()


def fewest(most: int, *, seems: Callable[[int], bool], holds: Callable[[int], bool]) -> None:
    """Find the fewest blocks with which a tower holds, by bisection.

    The last number that `holds` is asked for is the found one, or `most` where none is enough.

    Args:
        most: blocks that may stay in float32, of which none was not enough; 1 or more.
        seems: quick: True if the tower seems to hold with that many.
        holds: slow: True if it does. Where it does not although it seemed so, `seems` has learnt
            why, and says no to the same number.
    """
    if not seems(most):  # no smaller number is enough; the whole comparison has the last word
        holds(most)
        return
    low, high = 0, most
    while True:
        found = _bisected(low, high, seems)
        if holds(found) or found == most:
            return
        low = found


def _bisected(low: int, high: int, seems: Callable[[int], bool]) -> int:
    """Return the smallest number above `low` that seems enough; `high` is taken to be."""
    while high - low > 1:
        middle = (low + high) // 2
        if seems(middle):
            high = middle
        else:
            low = middle
    return high
