"""The rows that may be among the best of each query, and the bound on all the others."""

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
    """The best rows of a shortlist by their exact scores; of equal scores, the lower row."""

    ids: I64
    """[Q, K]"""
    scores: F64
    """[Q, K], descending."""
    certain: NDArray[np.bool_]
    """[Q], whether these are the best of all rows, not only of the shortlist."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shortlist:
    """Rows [Q, C] of a matrix with upper bounds of their scores, and one of all rows left out."""

    rows: I64
    """[Q, C]"""
    uppers: F64
    """[Q, C]; minus infinity where the row is none."""
    ceilings: F64
    """[Q], not below the score of a row left out that may be a hit; minus infinity if none may."""

    @classmethod
    def merge(cls, parts: Sequence[Self]) -> Self:
        """One shortlist of all the parts of a matrix."""
        return cls(
            rows=np.concatenate([part.rows for part in parts], axis=1),
            uppers=np.concatenate([part.uppers for part in parts], axis=1),
            ceilings=np.max([part.ceilings for part in parts], axis=0),
        )

    @classmethod
    def join(cls, blocks: Sequence[Self]) -> Self:
        """One shortlist of all the blocks of queries."""
        return cls(
            rows=np.concatenate([block.rows for block in blocks]),
            uppers=np.concatenate([block.uppers for block in blocks]),
            ceilings=np.concatenate([block.ceilings for block in blocks]),
        )

    def rank(self, queries: F32, rows: F32, hits: int, *, threads: int) -> Ranking:
        """The best `hits` rows of each query, 1 <= hits <= C.

        Few rows are rescored: the 2 `hits` of the highest bounds, then those whose bound reaches
        the worst hit among them. That hit must beat the ceiling strictly, for a row left out that
        equals it may be the lower one. If an exact score is above its upper bound, the bounds are
        worth nothing, so no query is certain.
        """
        order = np.argsort(-self.uppers, axis=1, kind="stable")
        ids = np.take_along_axis(self.rows, order, axis=1)
        uppers = np.take_along_axis(self.uppers, order, axis=1)
        missing = np.isneginf(uppers)
        ids[missing] = 0

        exact = rescore(queries, rows, ids[:, : 2 * hits], threads=threads)
        exact[missing[:, : 2 * hits]] = -np.inf
        floors = np.partition(exact, -hits, axis=1)[:, -hits, None]
        needed = int(np.count_nonzero(uppers >= floors, axis=1).max(initial=0))
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
