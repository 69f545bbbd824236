"""The best rows that each query has met so far."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

_NO_ROW = np.iinfo(np.int64).max
# Scores of a scaled tile stay below 2**41, so a floor beyond this bars everything all the same.
_FLOOR_LIMIT = 2.0**100


@dataclass(frozen=True, slots=True, kw_only=True)
class Best:
    """A heap of K (score, row) pairs for each query, the worst in column 0.

    Of equal scores the higher row is the worse one. Places not yet taken hold minus infinity, so
    the heap is always full.
    """

    scores: NDArray[np.float64]
    """[Q, K]"""
    ids: NDArray[np.int64]
    """[Q, K] corpus rows."""

    @classmethod
    def empty(cls, n_queries: int, hits: int) -> Self:
        """Room for K hits a query, none taken."""
        return cls(
            scores=np.full((n_queries, hits), -np.inf),
            ids=np.full((n_queries, hits), _NO_ROW),
        )

    def block(self, start: int, stop: int) -> Self:
        """A view of the queries start:stop."""
        return type(self)(scores=self.scores[start:stop], ids=self.ids[start:stop])

    def floors(self, units: NDArray[np.float64]) -> NDArray[np.float32]:
        """The score [Q], in the tile's units [Q] and rounded down, below which a row is no hit."""
        return floors_in_units(self.scores[:, 0], units)

    def ranked(self) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Ids and scores [Q, K], best first; of equals, the lower row."""
        order = np.lexsort((self.ids, -self.scores), axis=1)
        return (
            np.take_along_axis(self.ids, order, axis=1),
            np.take_along_axis(self.scores, order, axis=1),
        )


def floors_in_units(floors: NDArray[np.float64], units: NDArray[np.float64]) -> NDArray[np.float32]:
    """Floors [Q] in the units [Q] of a scaled tile, rounded down."""
    # A floor near the largest float64 may leave it in these units; what bars all is clipped anyway.
    with np.errstate(over="ignore"):
        scaled = np.clip(floors / units, -_FLOOR_LIMIT, _FLOOR_LIMIT)
    return np.nextafter(scaled.astype(np.float32), np.float32(-np.inf))
