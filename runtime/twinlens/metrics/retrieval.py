"""Retrieval metrics: ranks of the relevant rows of a query among all candidates."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from twinlens.metrics.bootstrap import Estimate, Resamples

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
Ints = NDArray[np.intp]

CUTS: Final = (1, 5, 10)
SCORES_AT_ONCE: Final = 2**24
"""64 MiB of cosines: [Q, N] of a large data set would not fit into memory."""

MEASURES: Final[Mapping[str, str]] = {
    **{f"recall_any_at_{k}": f"recall@{k}, any hit" for k in CUTS},
    **{f"recall_share_at_{k}": f"recall@{k}, share of hits" for k in CUTS},
    "average_precision": "mAP",
    "ndcg_at_10": "nDCG@10",
}
"""Measures of a query, with the names of their means in a table.

Any hit: 1 if a relevant row is among the first k, as papers count on COCO and Flickr30k.
Share of hits: share of the relevant rows among the first k, as AutoGluon counts.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranks:
    """Ranks of the M relevant pairs of Q queries among N candidates."""

    queries: Ints
    """[M], query of each relevant pair; each of the Q queries occurs."""
    ranks: NDArray[np.int64]
    """[M], number of candidates before the relevant row: 0 is best."""
    candidates: int
    """N"""

    @property
    def firsts(self) -> NDArray[np.int64]:
        """[Q], rank of each query's best relevant row."""
        best = np.full(self.queries.max() + 1, self.candidates)
        np.minimum.at(best, self.queries, self.ranks)
        return best

    def measures(self) -> dict[str, F64]:
        """Compute all MEASURES of each query [Q].

        Average precision is the mean, over all relevant rows, of the precision at each (Manning et
        al. 2008, 8.4). nDCG has gain 1 of a relevant row and the discount log2(1 + position)
        (Järvelin and Kekäläinen 2002, in the form of Burges et al. 2005, equal for such gains).
        """
        order = np.lexsort((self.ranks, self.queries))
        queries, ranks = self.queries[order], self.ranks[order]
        counts = np.bincount(queries)
        earlier = np.arange(len(queries)) - np.repeat(np.cumsum(counts) - counts, counts)
        found: dict[str, F64] = {}
        for k in CUTS:
            hits = np.bincount(queries, weights=ranks < k)
            found[f"recall_any_at_{k}"] = (hits > 0).astype(np.float64)
            found[f"recall_share_at_{k}"] = hits / counts
        found["average_precision"] = (
            np.bincount(queries, weights=(earlier + 1) / (ranks + 1)) / counts
        )
        gains = np.where(ranks < 10, 1 / np.log2(ranks + 2.0), 0)
        ideal = np.cumsum(1 / np.log2(np.arange(10) + 2.0))
        found["ndcg_at_10"] = (
            np.bincount(queries, weights=gains) / ideal[np.minimum(counts, 10) - 1]
        )
        return {name: found[name] for name in MEASURES}


@dataclass(frozen=True, slots=True, kw_only=True)
class Retrieval:
    """Retrieval in one direction."""

    queries: int
    candidates: int
    figures: Mapping[str, Estimate]
    """Mean of each of MEASURES over the queries."""
    median_rank: float
    """Median rank of each query's best relevant row; 1 is best."""
    change: Mapping[str, Estimate] | None = None
    """Difference to the reference, paired by query; a loss is below 0."""


def rank(queries: F32, candidates: F32, *, relevant: tuple[Ints, Ints]) -> Ranks:
    """Rank every relevant row by cosine; of equal cosines, the lower row comes first.

    Args:
        queries: [Q, D], unit rows.
        candidates: [N, D], unit rows.
        relevant: pairs (query, relevant row), [M] each; at least one of each query.

    Raises:
        ValueError: a query has no relevant row.
    """
    order = np.argsort(relevant[0], kind="stable")
    of_query, rows = relevant[0][order], relevant[1][order]
    missing = np.setdiff1d(np.arange(len(queries)), of_query)
    if missing.size:
        raise ValueError(f"query {missing[0]} has no relevant row; leave it out")
    ranks = np.empty(len(order), dtype=np.int64)
    step = max(1, SCORES_AT_ONCE // len(candidates))
    for start in range(0, len(queries), step):
        cosines = queries[start : start + step] @ candidates.T
        first, last = np.searchsorted(of_query, (start, start + step))
        for pair in range(first, last):
            scores, row = cosines[of_query[pair] - start], rows[pair]
            above = np.count_nonzero(scores > scores[row])
            ranks[pair] = above + np.count_nonzero(scores[:row] == scores[row])
    return Ranks(queries=of_query, ranks=ranks, candidates=len(candidates))


def measure_retrieval(ranks: Ranks, drawn: Resamples, *, before: Ranks | None = None) -> Retrieval:
    """Compute the mean of each measure with its interval, and the median rank.

    Args:
        ranks: ranks of Q queries.
        drawn: resamples of the same queries.
        before: ranks of the same queries by the reference model, for the paired change.
    """
    return Retrieval(
        queries=len(ranks.firsts),
        candidates=ranks.candidates,
        figures={name: drawn.mean(values, most=1) for name, values in ranks.measures().items()},
        median_rank=float(np.median(ranks.firsts)) + 1,
        change=None
        if before is None
        else measure_change(ranks.measures(), before.measures(), drawn),
    )


def measure_change(
    after: Mapping[str, F64], before: Mapping[str, F64], drawn: Resamples
) -> dict[str, Estimate]:
    """Compute the mean change of each measure on the same queries, by a paired bootstrap."""
    return {name: drawn.mean(after[name] - before[name], least=-1, most=1) for name in after}
