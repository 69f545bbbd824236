"""Shortlist of each query: rows that may be hits, and a bound on all other rows."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from twinlens_kernels import rescore

logger = logging.getLogger(__name__)

F32 = NDArray[np.float32]
I64 = NDArray[np.int64]
F64 = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranking:
    """Best rows of a shortlist by their exact scores; of equal scores, the lower row."""

    ids: I64
    """[Q, K]"""
    scores: F64
    """[Q, K], descending."""
    certain: NDArray[np.bool_]
    """[Q], True if these are the best of all rows, not only of the shortlist."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shortlist:
    """Rows [Q, C] of a matrix with upper bounds of their scores, and one for all other rows."""

    rows: I64
    """[Q, C]"""
    uppers: F64
    """[Q, C]; minus infinity for an empty slot."""
    ceilings: F64
    """[Q], upper bound of the scores of all other rows; minus infinity if none may be a hit."""

    @classmethod
    def merge(cls, parts: Sequence[Self]) -> Self:
        """Merge the shortlists of the parts of a matrix."""
        return cls(
            rows=np.concatenate([part.rows for part in parts], axis=1),
            uppers=np.concatenate([part.uppers for part in parts], axis=1),
            ceilings=np.max([part.ceilings for part in parts], axis=0),
        )

    @classmethod
    def join(cls, blocks: Sequence[Self]) -> Self:
        """Join the shortlists of blocks of queries."""
        return cls(
            rows=np.concatenate([block.rows for block in blocks]),
            uppers=np.concatenate([block.uppers for block in blocks]),
            ceilings=np.concatenate([block.ceilings for block in blocks]),
        )

    def rank(self, queries: F32, rows: F32, hits: int, *, threads: int) -> Ranking:
        """Return the best `hits` rows of each query, 1 <= hits <= C.

        Few rows are rescored: the 2 `hits` of the highest bounds, then those with a bound that
        reaches the worst hit among them. That hit must beat the ceiling strictly: another row with
        an equal score may have a lower number. If an exact score is above its upper bound, no bound
        can be trusted, so no query is certain.
        """
        order = np.argsort(-self.uppers, axis=1, kind="stable")
        ids = np.take_along_axis(self.rows, order, axis=1)
        uppers = np.take_along_axis(self.uppers, order, axis=1)
        missing = np.isneginf(uppers)
        ids[missing] = 0

        exact = rescore(queries, rows, ids[:, : 2 * hits], threads=threads)
        exact[missing[:, : 2 * hits]] = -np.inf
        thresholds = np.partition(exact, -hits, axis=1)[:, -hits, None]
        needed = int(np.count_nonzero(uppers >= thresholds, axis=1).max(initial=0))
        if needed > exact.shape[1]:
            more = rescore(queries, rows, ids[:, exact.shape[1] : needed], threads=threads)
            exact = np.concatenate([exact, more], axis=1)
            exact[missing[:, :needed]] = -np.inf

        best = np.lexsort((ids[:, : exact.shape[1]], -exact), axis=1)[:, :hits]
        scores = np.take_along_axis(exact, best, axis=1)
        certain = scores[:, -1] > self.ceilings
        if (exact > uppers[:, : exact.shape[1]]).any():
            logger.warning("a score is above its upper bound: the device is not to be trusted")
            certain[:] = False
        return Ranking(ids=np.take_along_axis(ids, best, axis=1), scores=scores, certain=certain)
