"""Expected number of matches of a query: the prior of its probabilities, times the pictures."""

from typing import Final

LEAST: Final = 1
MOST: Final = 10
SHARE: Final = 0.05
"""Share of matching pictures in small folders: about three of sixty drawings fit a query."""


def expected_matches(n_pictures: int) -> int:
    """Return the number of matches expected of a query, until the user says otherwise.

    At the prior of a fit on balanced pairs, 0.5, the probabilities of one query over sixty drawings
    sum to twelve matches; at one of sixty to 1.4.
    """
    return max(LEAST, min(MOST, round(SHARE * n_pictures)))
