"""Retrieval metrics with cut-offs of one's own and graded relevance."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from twinlens.metrics.retrieval import F64, Ints, Ranks

Numbers = NDArray[np.int64] | F64


def graded_measures(ranks: Ranks, gains: F64, cutoffs: Sequence[int]) -> dict[str, F64]:
    """Compute the measures of each query [Q].

    Recall, precision, average precision and the reciprocal rank count a row of any gain above 0 as
    relevant (Manning et al. 2008, 8.4; Voorhees 1999 for the reciprocal rank). nDCG has the gain
    itself and the discount log2(1 + position) (Järvelin and Kekäläinen 2002), as trec_eval and
    AutoGluon count.

    Args:
        ranks: ranks of M relevant rows.
        gains: [M], above 0, of the same rows.
        cutoffs: numbers of first rows that count.
    """
    order = np.lexsort((ranks.ranks, ranks.queries))
    queries, found, worth = ranks.queries[order], ranks.ranks[order], gains[order]
    counts = np.bincount(queries)
    earlier = _places(counts)
    measures: dict[str, F64] = {}
    for k in cutoffs:
        hits = np.bincount(queries, weights=found < k)
        measures[f"recall_any_at_{k}"] = (hits > 0).astype(np.float64)
        measures[f"recall_share_at_{k}"] = hits / counts
        measures[f"precision_at_{k}"] = hits / k
        measures[f"ndcg_at_{k}"] = _dcg(queries, found, worth, k) / _ideal(queries, worth, k)
    measures["reciprocal_rank"] = 1 / (ranks.firsts + 1.0)
    measures["average_precision"] = np.bincount(queries, (earlier + 1) / (found + 1)) / counts
    return measures


def _places(counts: Ints) -> F64:
    """Return the place of each row within its query, from 0."""
    starts = np.repeat(np.cumsum(counts) - counts, counts)
    return (np.arange(counts.sum()) - starts).astype(np.float64)


def _dcg(queries: Ints, ranks: Numbers, gains: F64, k: int) -> F64:
    kept = np.where(ranks < k, gains / np.log2(ranks + 2.0), 0.0)
    return np.asarray(np.bincount(queries, weights=kept), dtype=np.float64)


def _ideal(queries: Ints, gains: F64, k: int) -> F64:
    """Return the gain of each query whose best rows come first."""
    order = np.lexsort((-gains, queries))
    return _dcg(queries[order], _places(np.bincount(queries)), gains[order], k)
