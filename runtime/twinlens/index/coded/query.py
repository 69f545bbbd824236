"""Query of an index of codes alone: cosines with bounds, and a proof where they allow one.

The rows given are gone. Searched are the dequantised rows, exactly: the cosine of a unit query q
and a row is told as s(q, x) / |q|, with x the dequantised row and s of reference.py in the kernels.
It differs from the cosine with the row that was given by at most the error kept beside the codes
(dequantise.py). So ids and order are those of the rows given wherever cosines differ by more than
their errors.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twinlens.index.coded.engine import CodesEngine
from twinlens.index.coded.rows import coded_rows
from twinlens.index.snapshot import Snapshot
from twinlens_kernels import Ranges, rescore, squared_lengths

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
I64 = NDArray[np.int64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class CodedQuery:
    """Unit or zero queries of the codes, and the rows that may be found."""

    snapshot: Snapshot
    engine: CodesEngine
    queries: F32
    """[Q, D]"""
    allowed: Mask | None
    """[N], True for selected rows; None for all."""
    few: I64 | None
    """Selected rows, ascending, if they are few; they are scored one by one."""
    threads: int

    def topk(self, k: int) -> "BoundedHits":
        """Find the k best selected rows of each query, or all of them if there are fewer."""
        rows, scores = self._ranked(k + 1)
        cosines, errors = self._cosines(scores), self._errors(rows)
        hits = min(k, rows.shape[1])
        low, high = cosines - errors, cosines + errors
        proven = (low[:, : hits - 1] > high[:, 1:hits]).all(axis=1)
        if hits and rows.shape[1] > k:
            # Each of the rows behind scores no more than the first of them.
            proven &= low[:, k - 1] > cosines[:, k] + self.engine.largest_error
        return BoundedHits(
            rows=rows[:, :hits],
            cosines=cosines[:, :hits],
            errors=errors[:, :hits],
            proven=proven | self._is_zero,
        )

    def within(self, cosine: np.float32) -> "BoundedRanges":
        """Find all selected rows whose cosine may be `cosine` or more."""
        floor = float(cosine)
        found = self._reaching(floor)
        counts = np.diff(found.starts)
        of_query = np.repeat(np.arange(len(counts)), counts)
        lengths = self._lengths[of_query]
        cosines = _in_range(found.scores / lengths)
        errors = np.where(self._is_zero[of_query], 0, self.snapshot.errors[found.ids])
        kept = cosines + errors >= floor
        of_query, ids = of_query[kept], found.ids[kept]
        cosines, errors = cosines[kept], errors[kept]
        starts = np.searchsorted(of_query, np.arange(len(counts) + 1))
        # All rows have a cosine of -1 or more.
        doubtful = (cosines - errors < floor) & (floor > -1)
        twins = of_query[1:] == of_query[:-1]
        unordered = twins & ~((cosines - errors)[:-1] > (cosines + errors)[1:])
        proven = np.ones(len(counts), dtype=np.bool_)
        proven[of_query[doubtful]] = False
        proven[of_query[1:][unordered]] = False
        proven |= self._is_zero
        return BoundedRanges(
            found=Ranges(starts=starts.astype(np.int64), ids=ids, scores=cosines),
            errors=errors.astype(np.float32),
            proven=proven,
        )

    def _ranked(self, k: int) -> tuple[I64, F64]:
        """Return the k best dequantised rows by score; of equals, the lower row."""
        if self.few is None:
            return self.engine.topk(self.queries, k, allowed=self.allowed, threads=self.threads)
        scores = self._scores_of_few(self.few)
        order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
        return self.few[order], np.take_along_axis(scores, order, axis=1)

    def _reaching(self, floor: float) -> Ranges:
        """Return the rows whose cosine may reach the floor, and some that cannot."""
        lowest = (floor - self.engine.largest_error) * self._lengths
        lowest -= 2.0**-40  # more than the rounding of the product
        lowest[self._is_zero] = floor
        if floor <= -1:
            lowest[:] = -np.inf
        if self.few is None:
            return self.engine.within(
                self.queries, lowest, allowed=self.allowed, threads=self.threads
            )
        scores = self._scores_of_few(self.few)
        of_query, at = np.nonzero(scores >= lowest[:, None])
        return Ranges.from_pairs(
            of_query, self.few[at], scores[of_query, at], n_queries=len(scores)
        )

    def _scores_of_few(self, few: I64) -> F64:
        rows = coded_rows(self.snapshot, few)
        pairs = np.broadcast_to(np.arange(len(few)), (len(self.queries), len(few)))
        return rescore(self.queries, rows, np.ascontiguousarray(pairs), threads=self.threads)

    @property
    def _is_zero(self) -> Mask:
        """[Q], True for a zero query: all its cosines are 0, and the lower row comes first."""
        return np.logical_not(self.queries.any(axis=1))

    @property
    def _lengths(self) -> F64:
        """[Q], 1 for a zero query."""
        squared = squared_lengths(self.queries)
        return np.sqrt(np.where(squared == 0, 1, squared))

    def _cosines(self, scores: F64) -> F64:
        return _in_range(scores / self._lengths[:, None])

    def _errors(self, rows: I64) -> F32:
        errors = self.snapshot.errors[rows]
        errors[self._is_zero] = 0
        return errors


@dataclass(frozen=True, slots=True, kw_only=True)
class BoundedHits:
    """Hits of each query with bounds of their cosines."""

    rows: I64
    """[Q, K]"""
    cosines: F64
    """[Q, K], descending."""
    errors: F32
    """[Q, K]"""
    proven: Mask
    """[Q], True where rows and order are those of the rows given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BoundedRanges:
    """Hits of a range search with bounds of their cosines."""

    found: Ranges
    """Rows with their cosines as scores."""
    errors: F32
    """[M]"""
    proven: Mask
    """[Q], True where rows and order are those of the rows given."""


def _in_range(cosines: F64) -> F64:
    """Clip to -1 and 1, beyond which no cosine is: that only brings it nearer."""
    clipped: F64 = np.clip(cosines, -1, 1)
    return clipped
