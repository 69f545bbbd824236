"""Exact search of an array [N, D] of any floats, without a copy of it.

The hits are those of the rows that `unit_rows` makes of the array, by the cosines of cosines.py.
All rows are estimated where they lie; only rows whose estimate reaches the k-th best, and rows too
long or too short to be estimated, are scaled and scored. An estimate differs from the cosine by at
most `estimate_error`, so no other row is a hit.
"""

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from twinlens.normalization import unit_rows
from twinlens.search.cosines import Cosines
from twinlens_kernels import NATIVE
from twinlens_kernels.estimates import estimate, estimate_error, reads

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
I64 = NDArray[np.int64]
Floats = NDArray[np.floating]

_FEW_QUERIES: Final = 4
"""Up to so many, C++ reads each row once for all of them; with more, a matrix product is faster."""
_BLOCK_NUMBERS: Final = 2**20
"""Numbers of a block for the product, or of a converted one: 4 MiB of float32 stay in the cache."""
_BLOCK_ESTIMATES: Final = 2**22
"""Estimates of a block: 16 MiB."""
_MOST_PENDING: Final = 2**21
"""Pairs that wait to be scored: so many come of twins only."""


def nearest_in_array(queries: F32, rows: Floats, k: int, *, threads: int) -> tuple[I64, F64]:
    """Return row numbers and cosines [Q, K] of the K = min(k, N) nearest rows, best first.

    Of equal cosines the lower row comes first.

    Args:
        queries: [Q, D] unit or zero rows.
        rows: [N, D] floats of any type, length and layout in memory.
        k: At least 1.
        threads: Number of threads.

    Raises:
        ValueError: A row holds NaN or infinity.
    """
    hits = min(k, len(rows))
    ids = np.empty((len(queries), hits), dtype=np.int64)
    cosines = np.zeros(ids.shape)
    ids[:] = np.arange(hits)  # those of a zero query: all its cosines are 0
    asked = np.flatnonzero(queries.any(axis=1))
    # The rows are read, and refused if they are not finite, for no query, too.
    search = _Search(
        queries[asked] if len(asked) else np.zeros((1, rows.shape[1]), np.float32),
        rows,
        hits,
        threads,
    )
    found = search.run()
    if len(asked):
        ids[asked], cosines[asked] = found
    return ids, cosines


class _Search:
    """Search of one array: pairs of a query and a row that may be hits, and the best so far."""

    def __init__(self, queries: F32, rows: Floats, hits: int, threads: int) -> None:
        self._queries, self._rows, self._hits, self._threads = queries, rows, hits, threads
        self._native = NATIVE and len(queries) <= _FEW_QUERIES
        self._error = estimate_error(rows.shape[1], in_parts=self._native)
        self._floors = np.full(len(queries), -np.inf)
        """[Q], below the k-th best cosine."""
        self._pending: list[tuple[I64, I64, F32]] = []
        self._n_pending = 0
        self._of_query, self._ids = np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
        self._cosines = np.empty(0)

    def run(self) -> tuple[I64, F64]:
        """Return row numbers and cosines [Q, K]."""
        if self._hits:
            for first_row, estimates in self._blocks():
                self._take(first_row, estimates)
                if self._n_pending > _MOST_PENDING:
                    self._settle()
            self._settle()
        shape = len(self._queries), self._hits
        return self._ids.reshape(shape), self._cosines.reshape(shape)

    def _blocks(self) -> Iterator[tuple[int, F32]]:
        """Yield the number of a block's first row, and its estimates [n, Q]."""
        width, n_queries = self._rows.shape[1], len(self._queries)
        as_it_lies = self._native and reads(self._rows)
        step = max(1, (_BLOCK_ESTIMATES // n_queries if as_it_lies else _BLOCK_NUMBERS // width))
        for start in range(0, len(self._rows), step):
            block = self._rows[start : start + step]
            yield (
                start,
                estimate(self._queries, block, in_parts=self._native, threads=self._threads),
            )

    def _take(self, first_row: int, estimates: F32) -> None:
        """Note the pairs of a block whose cosine may reach the floor, and raise the floors."""
        reached = estimates >= self._thresholds()
        if np.count_nonzero(reached) > 8 * self._hits * len(self._queries):
            self._raise_block_floors(estimates)
            reached = estimates >= self._thresholds()
        at, of_query = np.nonzero(reached)
        if len(at):
            self._pending.append((of_query, first_row + at, estimates[at, of_query]))
            self._n_pending += len(at)

    def _raise_block_floors(self, estimates: F32) -> None:
        """Raise the floors by the k-th best estimates of a block [n, Q]."""
        if len(estimates) >= self._hits:
            last = len(estimates) - self._hits
            kth = np.partition(_known(estimates), last, axis=0)[last]
            np.maximum(self._floors, kth - self._error, out=self._floors)

    def _raise_floors(self, of_query: I64, estimates: F32) -> None:
        """Raise the floors by the k-th best estimates of pairs [M]."""
        known = _known(estimates)
        order = np.lexsort((-known, of_query))
        kth = np.searchsorted(of_query[order], np.arange(len(self._floors))) + self._hits - 1
        held = np.bincount(of_query, minlength=len(kth)) >= self._hits
        best = known[order[kth[held]]]
        self._floors[held] = np.maximum(self._floors[held], best - self._error)

    def _thresholds(self) -> F32:
        """Return the estimates [Q] that a pair must reach, rounded down."""
        lowest = (self._floors - self._error).astype(np.float32)
        return np.nextafter(lowest, np.float32(-np.inf))

    def _settle(self) -> None:
        """Score the pending pairs, and keep the best of each query."""
        if not self._pending:
            return
        of_query, ids, estimates = (
            np.concatenate(part) for part in zip(*self._pending, strict=True)
        )
        self._pending, self._n_pending = [], 0
        self._raise_floors(of_query, estimates)
        reached = estimates >= self._thresholds()[of_query]
        of_query, ids = of_query[reached], ids[reached]
        of_query, ids, cosines = (
            np.concatenate(both)
            for both in (
                (self._of_query, of_query),
                (self._ids, ids),
                (self._cosines, self._exact(of_query, ids)),
            )
        )
        order = np.lexsort((ids, -cosines, of_query))
        starts = np.searchsorted(of_query[order], np.arange(len(self._queries)))
        place = np.arange(len(order)) - starts[of_query[order]]
        best = order[place < self._hits]
        self._of_query, self._ids, self._cosines = of_query[best], ids[best], cosines[best]
        full = np.flatnonzero(np.bincount(self._of_query, minlength=len(starts)) == self._hits)
        last = np.searchsorted(self._of_query, full, side="right") - 1
        self._floors[full] = np.maximum(self._floors[full], self._cosines[last])

    def _exact(self, of_query: I64, ids: I64) -> F64:
        """Return the cosines [M] of pairs of a query and a row."""
        exact = np.empty(len(ids))
        distinct, places = np.unique(ids, return_inverse=True)
        step = max(1, _BLOCK_NUMBERS // self._rows.shape[1])
        for start in range(0, len(distinct), step):
            numbers = distinct[start : start + step]
            unit = unit_rows(self._rows[numbers], numbers=numbers.tolist())
            here = (places >= start) & (places < start + step)
            for query in np.unique(of_query[here]):
                pairs = np.flatnonzero(here & (of_query == query))
                cosines = Cosines(queries=self._queries[query : query + 1], rows=unit)
                (exact[pairs],) = cosines.of_rows(places[pairs] - start, threads=self._threads)
        return exact


def _known(estimates: F32) -> F32:
    """Return the estimates without those that are infinite: these tell nothing of the cosine."""
    return np.where(np.isinf(estimates), np.float32(-np.inf), estimates)
