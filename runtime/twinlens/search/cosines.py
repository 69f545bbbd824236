"""Cosines of queries and stored rows, and the exact order of the hits by them.

Stored rows are float32, so their lengths differ from 1 by some 4e-8, which is more than near twins
differ in cosine. The cosine of a query q and a row x is therefore

    s(q, x) / sqrt(s(q, q) s(x, x)),    0 where a length is 0

in float64, with the scores s of twinlens_kernels/reference.py; so a row has cosine 1 with itself,
exactly. Rows are ranked by this number; `reported` is its float32, and a range search compares
that. The kernels rank by s; EXACTNESS.md proves that the order here is that of all rows.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from twinlens.errors import IndexFileError
from twinlens_kernels import Ranges, rescore, squared_lengths
from twinlens_kernels.search import hit_cosines

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

MARGIN: Final = 2.0**-21
"""More than twice the difference between a score and its cosine, for rounded unit rows."""
_ODD: Final = 2.0**-22
"""Difference from 1 that no squared length of a rounded unit row has."""
_MOST_PAIRS: Final = 2**24
"""Most pairs that a scan for near ties can return: 400 MB, if all rows were alike."""
_GATHERED_NUMBERS: Final = 2**22
"""Numbers of rows copied at once: 16 MiB."""

_IS_ODD, _CERTAIN = 0, 2
"""States of hit_cosines.hpp."""

TopkSearch = Callable[[F32, int], tuple[I64, F64]]
"""Searches queries [Q, D] for k rows by score; returns ids and exact scores [Q, K], best first."""
RangeSearch = Callable[[F32, F64], Ranges]
"""Searches queries [Q, D] for all rows with scores from the floors [Q] on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cosines:
    """Cosines of queries with stored rows."""

    queries: F32
    """[Q, D] unit or zero rows."""
    rows: F32
    """[N, D] unit or zero rows."""

    def of_hits(self, ids: I64, scores: F64, *, threads: int = 1) -> tuple[F64, NDArray[np.bool_]]:
        """Return the cosines [Q, K] of the rows ids [Q, K] with exact scores [Q, K], best first.

        And True [Q] for queries of which all rows but the last are certain: no row behind the last
        has a cosine as high as theirs, and theirs descend. Both arrays may be overwritten: all but
        the last column are then in the order of the cosines.
        """
        states = hit_cosines(
            self.queries, self.rows, ids, scores, odd=_ODD, margin=MARGIN, threads=threads
        )
        if states is None:
            exact = self._of_scores(ids, scores)
            gaps = exact[:, :-1] - exact[:, 1:]
            behind = gaps[:, -1:].min(axis=1, initial=np.inf)
            return exact, (gaps > 0).all(axis=1) & (behind > MARGIN)
        odd = states == _IS_ODD
        if odd.any():
            some = Cosines(queries=self.queries[odd], rows=self.rows)
            scores[odd] = some._of_scores(ids[odd], scores[odd])
        return scores, states == _CERTAIN

    def _of_scores(self, ids: I64, scores: F64) -> F64:
        of_queries, of_rows = self._squared(ids.ravel())
        return scores / np.sqrt(of_queries[:, None] * of_rows.reshape(ids.shape))

    def of_ranges(self, found: Ranges, *, floor: np.float32 | None = None) -> Ranges:
        """Return rows that were found by score, with their cosines as scores, best first.

        Args:
            found: rows of each query.
            floor: least reported cosine of a row that is kept; None to keep all.
        """
        n_queries = len(self.queries)
        of_query = np.repeat(np.arange(n_queries), np.diff(found.starts))
        of_queries, of_rows = self._squared(found.ids)
        exact, ids = found.scores / np.sqrt(of_queries[of_query] * of_rows), found.ids
        if floor is not None:
            kept = reported(exact) >= floor
            of_query, ids, exact = of_query[kept], ids[kept], exact[kept]
        return Ranges.from_pairs(of_query, ids, exact, n_queries=n_queries)

    def of_rows(self, ids: I64, *, threads: int) -> F64:
        """Return the cosines [Q, C] of every query with the rows ids [C]."""
        of_queries, of_rows = self._squared(ids)
        pairs = np.ascontiguousarray(np.broadcast_to(ids, (len(self.queries), len(ids))))
        scores = rescore(self.queries, self.rows, pairs, threads=threads)
        return scores / np.sqrt(of_queries[:, None] * of_rows)

    def _squared(self, ids: I64) -> tuple[F64, F64]:
        """Return the squared lengths of the queries [Q], and of rows [M]; 1 for a zero row.

        Raises:
            IndexFileError: a row is not finite, or neither a unit nor a zero row.
        """
        n_queries, step = len(self.queries), max(1, _GATHERED_NUMBERS // self.rows.shape[1])
        if len(ids) <= step:
            # A search has emptied the caches, and each call of numpy costs microseconds: one array
            # for both, and no mask unless some row is odd.
            both = np.empty((n_queries + len(ids), self.rows.shape[1]), dtype=np.float32)
            both[:n_queries] = self.queries
            self.rows.take(ids, 0, both[n_queries:], "clip")
            squared = squared_lengths(both)
        else:
            distinct, positions = np.unique(ids, return_inverse=True)
            starts = range(0, len(distinct), step)
            parts = [squared_lengths(self.rows[distinct[n : n + step]]) for n in starts]
            squared = np.concatenate(
                [squared_lengths(self.queries), np.concatenate(parts)[positions]]
            )
        # NaN is odd, too.
        if len(squared) and not (squared.min() > 1 - _ODD and squared.max() < 1 + _ODD):
            require_unit_rows(ids, squared[n_queries:])
            squared[squared == 0] = 1
        return squared[:n_queries], squared[n_queries:]


def reported(cosines: F64) -> F32:
    """Return cosines as hits give them: rounding also cuts what float64 puts beyond 1."""
    return cosines.astype(np.float32)


def nearest(
    cosines: Cosines, k: int, *, by_score: TopkSearch, within: RangeSearch, threads: int = 1
) -> tuple[I64, F64]:
    """Return ids and cosines [Q, K] of the k rows of highest cosine, best first.

    Of equal cosines the lower row comes first. One row more than k is asked for by score: if its
    score is so low that no row behind it can have the k-th cosine, the k rows are certain. A query
    with near ties there is asked again, for all rows that may be hits.

    Args:
        cosines: queries and rows.
        k: at least 1; K is k, or the number of allowed rows if that is smaller.
        by_score: search of the same rows.
        within: search of the same rows.
        threads: number of threads.
    """
    k = min(int(k), max(1, len(cosines.rows)))
    rows, scores = by_score(cosines.queries, k + 1)
    exact, certain = cosines.of_hits(rows, scores, threads=threads)
    ids, found, whole = rows[:, :k], exact[:, :k], rows.shape[1] <= k
    if not whole and certain.all():
        return ids, found
    rest = np.arange(len(rows)) if whole else np.flatnonzero(~certain)
    ids[rest], found[rest], certain = _ranked(
        cosines.queries[rest], rows[rest], exact[rest], k, whole=whole
    )
    rest, step = rest[~certain], max(1, _MOST_PAIRS // max(1, len(cosines.rows)))
    for start in range(0, len(rest), step):
        block = rest[start : start + step]
        asked = Cosines(queries=cosines.queries[block], rows=cosines.rows)
        hits = asked.of_ranges(within(asked.queries, found[block, -1] - MARGIN))
        first = hits.starts[:-1, None] + np.arange(ids.shape[1])
        ids[block], found[block] = hits.ids[first], hits.scores[first]
    return ids, found


def reaching(cosines: Cosines, floor: np.float32, *, within: RangeSearch) -> Ranges:
    """Return all rows with at least this reported cosine; `scores` are the cosines.

    Best first; of equal cosines the lower row comes first.
    """
    n_queries = len(cosines.queries)
    # Every cosine that rounds to the floor is above the float32 number before it.
    below = float(np.nextafter(floor, np.float32(-np.inf))) if floor > -1 else -np.inf
    found = within(cosines.queries, np.full(n_queries, below - MARGIN))
    return cosines.of_ranges(found, floor=floor)


def _ranked(
    queries: F32, rows: I64, exact: F64, k: int, *, whole: bool
) -> tuple[I64, F64, NDArray[np.bool_]]:
    """Return the k best of rows [Q, C] by cosine, and True [Q] for those that are so of all rows.

    Args:
        queries: [Q, D].
        rows: [Q, C], best first by score.
        exact: [Q, C], their cosines.
        k: hits.
        whole: the rows are all that are allowed.
    """
    order = np.lexsort((rows, -exact), axis=1)[:, :k]
    ids, found = np.take_along_axis(rows, order, axis=1), np.take_along_axis(exact, order, axis=1)
    if whole:
        return ids, found, np.ones(len(ids), dtype=np.bool_)
    # All cosines of a zero query are 0, and its scores are ranked by the lower row already.
    certain = (found[:, -1] - exact[:, -1] > MARGIN) | ~queries.any(axis=1)
    return ids, found, certain


def require_unit_rows(ids: I64, squared: F64) -> None:
    """Refuse stored rows that are not finite, or neither unit nor zero rows.

    Args:
        ids: [M] row numbers.
        squared: [M], their squared lengths.

    Raises:
        IndexFileError: names the first of them.
    """
    damaged = ~(np.abs(squared - 1) < _ODD) & (squared != 0)
    if damaged.any():
        raise IndexFileError(
            f"row {ids[damaged.argmax()]} of the index is damaged: its squared length is "
            f"{squared[damaged][0]:.9g}, wanted 1; call verify, and build the index again"
        )
