"""The blocks of an int8 tower that stay in float32: as few as it takes."""

from collections.abc import Callable
from typing import Final

MOST_KEPT: Final = 0.25
"""Largest share of a tower's blocks that may stay in float32 in an int8 tower."""
LEAST_TRIES: Final = 6
"""Quick tries where the largest number is not enough, of a ranking with near ties."""


def tries_of(most: int) -> int:
    """Return the number of quick tries that `fewest` takes at most, unless one was wrong."""
    return min(most, max(LEAST_TRIES, 1 + (most - 1).bit_length()))


def fewest(most: int, *, seems: Callable[[int], bool], holds: Callable[[int], bool]) -> None:
    """Find the fewest blocks with which a tower holds, by bisection.

    Where `most` is not enough a smaller number may be, for the first of a ranking with near ties is
    left to chance: as many are tried as the bisection would.

    The last number that `holds` is asked for is the found one, or `most` where none is enough.

    Args:
        most: blocks that may stay in float32, of which none was not enough.
        seems: quick: True if the tower seems to hold with that many.
        holds: slow: True if it does. Where it does not although it seemed so, `seems` has learnt
            why, and says no to the same number.
    """
    if most < 1:
        return
    if not seems(most):
        tries = tries_of(most)
        spread = (round(part * most / tries) for part in range(1, tries))
        if not any(seems(count) and holds(count) for count in spread):
            holds(most)
        return
    low, found = 0, 0
    while found < most:
        found = _bisected(low, most, seems)
        if holds(found):
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
