"""Result of a range search: all rows of a query that reach its floor."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranges:
    """Rows of each query with at least its floor as score, best first.

    Rows of query i are `ids[starts[i]:starts[i + 1]]`; of equal scores the lower row comes first.
    """

    starts: NDArray[np.int64]
    """[Q + 1], from 0 to M."""
    ids: NDArray[np.int64]
    """[M], corpus rows."""
    scores: NDArray[np.float64]
    """[M]"""

    @classmethod
    def from_pairs(
        cls,
        of_query: NDArray[np.int64],
        ids: NDArray[np.int64],
        scores: NDArray[np.float64],
        *,
        n_queries: int,
    ) -> Self:
        """Rank M triples (query, row, float64 score) given in any order."""
        order = np.lexsort((ids, -scores, of_query))
        starts = np.zeros(n_queries + 1, dtype=np.int64)
        np.cumsum(np.bincount(of_query, minlength=n_queries), out=starts[1:])
        return cls(starts=starts, ids=ids[order], scores=scores[order])
