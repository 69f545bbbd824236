"""Running top-k: a heap of the best rows of each query so far."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

_NO_ROW = np.iinfo(np.int64).max
# Scores of a scaled tile stay below 2**41, so a threshold beyond this excludes every row anyway.
_LARGEST_THRESHOLD = 2.0**100


@dataclass(frozen=True, slots=True, kw_only=True)
class TopkHeap:
    """Heap of K (score, row) pairs for each query, the worst in column 0.

    Of equal scores the higher row is the worse one. Empty slots hold minus infinity, so the heap is
    always full.
    """

    scores: NDArray[np.float64]
    """[Q, K]"""
    ids: NDArray[np.int64]
    """[Q, K], corpus rows."""

    @classmethod
    def empty(cls, n_queries: int, hits: int) -> Self:
        """Return a heap of K empty slots a query."""
        return cls(
            scores=np.full((n_queries, hits), -np.inf),
            ids=np.full((n_queries, hits), _NO_ROW),
        )

    def block(self, start: int, stop: int) -> Self:
        """Return a view of the queries start:stop."""
        return type(self)(scores=self.scores[start:stop], ids=self.ids[start:stop])

    def thresholds(self, units: NDArray[np.float64]) -> NDArray[np.float32]:
        """Return the K-th best scores [Q] so far, rounded down in the tile's units [Q].

        A row that scores less is no hit.
        """
        return scores_in_units(self.scores[:, 0], units)

    def ranked(self) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return ids and scores [Q, K], best first; of equals, the lower row."""
        order = np.lexsort((self.ids, -self.scores), axis=1)
        return (
            np.take_along_axis(self.ids, order, axis=1),
            np.take_along_axis(self.scores, order, axis=1),
        )


def scores_in_units(scores: NDArray[np.float64], units: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return scores [Q] in the units [Q] of a scaled tile, rounded down."""
    # A score near the largest float64 may overflow in these units; it is clipped anyway.
    with np.errstate(over="ignore"):
        scaled = np.clip(scores / units, -_LARGEST_THRESHOLD, _LARGEST_THRESHOLD)
    return np.nextafter(scaled.astype(np.float32), np.float32(-np.inf))
