"""Running top-k of each query, with candidates that may still enter it."""

import numpy as np
from numpy.typing import NDArray

from twinlens.search.shortlist import Ranking, Shortlist

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]


class Candidates:
    """Hits [Q, K] by exact score, and candidate rows by upper bounds of their scores."""

    def __init__(self, ids: I64, scores: F64) -> None:
        """Begin with hits [Q, K], best first."""
        self._ids, self._scores = ids, scores
        self._given_up = np.zeros(len(ids), dtype=np.bool_)
        self._forget()

    @property
    def thresholds(self) -> F64:
        """[Q], score of the worst hit; infinity for a query that was given up."""
        return np.where(self._given_up, np.inf, self._scores[:, -1])

    def add(self, of_query: I64, rows: I64, uppers: F64) -> None:
        """Add candidate rows [M] of queries [M], with upper bounds [M] of their scores."""
        self._queries.append(of_query)
        self._rows.append(rows)
        self._uppers.append(uppers)
        self._counts += np.bincount(of_query, minlength=len(self._counts))

    def give_up(self, limit: int) -> None:
        """Give up the queries with more candidates than the limit."""
        self._given_up |= self._counts > limit

    def rank(
        self, queries: NDArray[np.float32], rows: NDArray[np.float32], *, threads: int
    ) -> Ranking:
        """Rescore the candidates and return the hits: the best of all rows added so far."""
        hits = self._ids.shape[1]
        ranking = self._shortlist().rank(queries, rows, hits, threads=threads)
        self._ids, self._scores = ranking.ids, ranking.scores
        self._given_up |= ~ranking.certain
        self._forget()
        return Ranking(ids=self._ids, scores=self._scores, certain=~self._given_up)

    def _forget(self) -> None:
        self._queries: list[I64] = []
        self._rows: list[I64] = []
        self._uppers: list[F64] = []
        self._counts = np.zeros(len(self._ids), dtype=np.int64)

    def _shortlist(self) -> Shortlist:
        """Return hits and candidates side by side, [Q, C]."""
        n_queries, hits = self._ids.shape
        of_query = np.concatenate([np.empty(0, dtype=np.int64), *self._queries])
        wanted = ~self._given_up[of_query]
        of_query = of_query[wanted]
        counts = np.bincount(of_query, minlength=n_queries)
        order = np.argsort(of_query, kind="stable")
        column = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts)
        shape = (n_queries, hits + int(counts.max(initial=0)))
        ids, uppers = np.zeros(shape, dtype=np.int64), np.full(shape, -np.inf)
        ids[:, :hits], uppers[:, :hits] = self._ids, self._scores
        cells = of_query[order], hits + column
        ids[cells] = np.concatenate([np.empty(0, dtype=np.int64), *self._rows])[wanted][order]
        uppers[cells] = np.concatenate([np.empty(0), *self._uppers])[wanted][order]
        return Shortlist(rows=ids, uppers=uppers, ceilings=np.full(n_queries, -np.inf))
