"""Retrieval: where the right answers of a query are among all that could be found."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from twinlens.metrics.bootstrap import Figure, Resamples

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
Ints = NDArray[np.intp]

CUTS: Final = (1, 5, 10)
SCORES_AT_ONCE: Final = 2**24
"""64 MiB of cosines: Q x N of a large set would not fit into memory."""

MEASURES: Final[Mapping[str, str]] = {
    **{f"recall_any_at_{k}": f"recall@{k}, any hit" for k in CUTS},
    **{f"recall_share_at_{k}": f"recall@{k}, share of hits" for k in CUTS},
    "average_precision": "mAP",
    "ndcg_at_10": "nDCG@10",
}
"""What is measured of every query, and how a table calls its mean.

Any hit: 1 if one of the right answers is among the first k, as papers count on COCO and Flickr30k.
Share of hits: which part of the right answers is among the first k, as AutoGluon counts.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranks:
    """Where the M right answers of Q queries are among N candidates."""

    queries: Ints
    """[M], the query of each right answer; each of the Q queries is there."""
    ranks: NDArray[np.int64]
    """[M], how many candidates come before it: 0 is best."""
    candidates: int
    """N"""

    @property
    def firsts(self) -> NDArray[np.int64]:
        """[Q], the rank of each query's best right answer."""
        best = np.full(self.queries.max() + 1, self.candidates)
        np.minimum.at(best, self.queries, self.ranks)
        return best

    def measures(self) -> dict[str, F64]:
        """Every one of MEASURES of each query [Q].

        Average precision is the mean, over all right answers, of the precision at each (Manning et
        al. 2008, 8.4). nDCG has gain 1 of a right answer and the discount log2(1 + position)
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
    figures: Mapping[str, Figure]
    """The mean of each of MEASURES over the queries."""
    median_rank: float
    """Of each query's best right answer; 1 is best."""
    change: Mapping[str, Figure] | None = None
    """What was gained (or lost, below 0) against the reference, query by query."""


def rank(queries: F32, candidates: F32, *, right: tuple[Ints, Ints]) -> Ranks:
    """The rank of every right answer by cosine; of equal cosines, the lower row comes first.

    Args:
        queries: [Q, D], unit rows.
        candidates: [N, D], unit rows.
        right: a query and a row that answers it, [M] each; at least one of each query.

    Raises:
        ValueError: a query has no right answer.
    """
    order = np.argsort(right[0], kind="stable")
    asking, answers = right[0][order], right[1][order]
    missing = np.setdiff1d(np.arange(len(queries)), asking)
    if missing.size:
        raise ValueError(f"query {missing[0]} has no right answer; leave it out")
    ranks = np.empty(len(order), dtype=np.int64)
    step = max(1, SCORES_AT_ONCE // len(candidates))
    for start in range(0, len(queries), step):
        cosines = queries[start : start + step] @ candidates.T
        first, last = np.searchsorted(asking, (start, start + step))
        for place in range(first, last):
            row, answer = cosines[asking[place] - start], answers[place]
            above = np.count_nonzero(row > row[answer])
            ranks[place] = above + np.count_nonzero(row[:answer] == row[answer])
    return Ranks(queries=asking, ranks=ranks, candidates=len(candidates))


def measure_retrieval(ranks: Ranks, drawn: Resamples, *, before: Ranks | None = None) -> Retrieval:
    """The mean of each measure with its interval, and the median rank.

    Args:
        ranks: of Q queries.
        drawn: resamples of the same queries.
        before: the same queries answered by the reference: what is lost is paired.
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
) -> dict[str, Figure]:
    """How much each measure of the same queries changed, in the mean: the bootstrap is paired."""
    return {name: drawn.mean(after[name] - before[name], least=-1, most=1) for name in after}
