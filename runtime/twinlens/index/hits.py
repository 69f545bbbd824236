"""Results of a search: the K best rows, or all rows above a cosine."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twinlens.bundle.calibration import Calibration
from twinlens.errors import quoted
from twinlens.index.ids import repr_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Hits:
    """K best index rows of each query, best first; of equal cosines, the lower row."""

    ids: NDArray[np.int64] | NDArray[np.object_]
    """[Q, K] ids of the rows: int64, or `str` as objects; row numbers where the index has none."""
    cosines: NDArray[np.float32]
    """[Q, K], descending along K: float64 cosines of the stored rows, rounded."""
    rows: NDArray[np.int64]
    """[Q, K] row numbers in the index."""
    errors: NDArray[np.float32] | None = None
    """[Q, K], the most that each cosine may differ from that of the row that was given to an index
    of codes alone; None for one that keeps its rows, whose cosines are exact."""
    proven: NDArray[np.bool_] | None = None
    """[Q] of an index of codes alone; see `exact`."""

    @property
    def exact(self) -> NDArray[np.bool_]:
        """[Q], True where ids and order are proven to be those of a float64 brute force.

        An index of codes alone proves it where cosines differ by more than their errors; any other
        index always does.
        """
        return _exact(self.proven, len(self.rows))

    def probabilities(
        self, calibration: Calibration, *, prior: float | None = None
    ) -> NDArray[np.float32]:
        """Return the match probability [Q, K] of each hit; the order stays that of the cosines.

        Args:
            calibration: calibration of the model of all embeddings.
            prior: share of matching pairs expected among all pairs of a query and a row.

        Raises:
            ValueError: prior is not between 0 and 1.
        """
        return calibration.probability(self.cosines, prior=prior)


@dataclass(frozen=True, slots=True, kw_only=True)
class RangeHits:
    """All index rows of each query above a cosine, best first; of equal cosines, the lower row.

    Rows of query i are `starts[i]:starts[i + 1]`.
    """

    starts: NDArray[np.int64]
    """[Q + 1], from 0 to M."""
    ids: NDArray[np.int64] | NDArray[np.object_]
    """[M], as those of `Hits`."""
    cosines: NDArray[np.float32]
    """[M], descending within a query."""
    rows: NDArray[np.int64]
    """[M] row numbers in the index."""
    errors: NDArray[np.float32] | None = None
    """[M], as those of `Hits`. With them, rows are found whose cosine may be that high: of those
    with `cosines - errors` below it, some may not be."""
    proven: NDArray[np.bool_] | None = None
    """[Q], as that of `Hits`."""

    @property
    def exact(self) -> NDArray[np.bool_]:
        """[Q], True where ids and order are proven, as `Hits.exact` tells."""
        return _exact(self.proven, len(self))

    def __len__(self) -> int:
        """Return Q, the number of queries."""
        return len(self.starts) - 1

    def of(self, query: int) -> Hits:
        """Return the hits of one query, as [1, K].

        Raises:
            IndexError: there is no such query.
            TypeError: query is no integer.
        """
        if isinstance(query, bool) or not isinstance(query, (int, np.integer)):
            raise TypeError(f"query is a {type(query).__name__}, wanted the number of one")
        if not 0 <= query < len(self):
            raise IndexError(
                f"query {quoted(repr_of(query))} is not among the {len(self)} that were asked"
            )
        part = slice(self.starts[query], self.starts[query + 1])
        return Hits(
            ids=self.ids[None, part],
            cosines=self.cosines[None, part],
            rows=self.rows[None, part],
            errors=None if self.errors is None else self.errors[None, part],
            proven=None if self.proven is None else self.proven[query : query + 1],
        )


def _exact(proven: NDArray[np.bool_] | None, n_queries: int) -> NDArray[np.bool_]:
    return np.ones(n_queries, dtype=np.bool_) if proven is None else proven
