"""Evaluation of a search by embeddings alone, against a table of relevant rows."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike

from twinlens import dataframes
from twinlens.errors import PairsError, quoted
from twinlens.metrics.bootstrap import Estimate, Resamples
from twinlens.metrics.graded_retrieval import graded_measures
from twinlens.metrics.retrieval import CUTS, F64, Ints, rank
from twinlens.normalization import read_floats, unit_rows
from twinlens_kernels.validation import require_positive, require_same_width

COLUMNS: Final = ("query", "response")
RELEVANCE: Final = "relevance"


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrievalEvaluation:
    """Figures of a search, with their 95 % intervals."""

    queries: int
    """Number of queries with a relevant row; only these count."""
    unjudged: int
    """Number of queries without one."""
    candidates: int
    figures: Mapping[str, Estimate]
    """Means over the queries. Of each cut-off k: recall_any_at_k (1 if a relevant row is among the
    first k), recall_share_at_k (share of the relevant rows that are), precision_at_k (share of the
    k that are relevant), ndcg_at_k; and reciprocal_rank (its mean is the MRR), average_precision
    (its mean is the mAP)."""
    median_rank: float
    """Median rank of each query's best relevant row; 1 is best."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Relevance:
    """Relevant rows of queries, each pair once."""

    queries: Ints
    rows: Ints
    gains: F64


def evaluate_retrieval(
    queries: ArrayLike,
    responses: ArrayLike,
    relevant: dataframes.Table | ArrayLike | None = None,
    *,
    cutoffs: Sequence[int] = CUTS,
    seed: int = 0,
) -> RetrievalEvaluation:
    """Evaluate a search by cosine of embeddings, whoever made them.

        rows = {"query": [0, 0, 1], "response": [3, 8, 2], "relevance": [2, 1, 1]}
        found = twinlens.evaluate_retrieval(texts, images, rows, cutoffs=[1, 20])
        print(found.figures["ndcg_at_20"].value, found.figures["reciprocal_rank"].value)

    Of equal cosines, the lower row comes first.

    Args:
        queries: [Q, D] floats of any length.
        responses: [N, D], likewise.
        relevant: table, DataFrame or dict, with the columns "query" and "response", row numbers,
            and maybe "relevance", a gain of 0 or more; or an array [M, 2] or [M, 3] of the same.
            Any number of rows may be relevant to a query. By default row i is to query i.
        cutoffs: numbers of first hits that count, in any number.
        seed: seed of the intervals.

    Raises:
        PairsError: no row is relevant, or a row number does not exist.
        TypeError: the embeddings are no floats, or the cut-offs no list of integers.
        ValueError: the widths differ, a row is not finite, or a cut-off is below 1.
    """
    asking, answers = (unit_rows(read_floats(rows)) for rows in (queries, responses))
    require_same_width(asking, answers)
    if not isinstance(cutoffs, Collection):
        raise TypeError(f"cutoffs is a {type(cutoffs).__name__}; give a list of integers")
    for cutoff in cutoffs:
        require_positive("a cut-off", cutoff)
    table = _relevance(relevant, len(asking), len(answers))
    known, positions = np.unique(table.queries, return_inverse=True)
    order = np.argsort(positions, kind="stable")
    ranks = rank(asking[known], answers, relevant=(positions[order], table.rows[order]))
    measures = graded_measures(ranks, table.gains[order], cutoffs)
    drawn = Resamples(known, seed=seed)
    return RetrievalEvaluation(
        queries=len(known),
        unjudged=len(asking) - len(known),
        candidates=len(answers),
        figures={name: drawn.mean(values, most=1) for name, values in measures.items()},
        median_rank=float(np.median(ranks.firsts)) + 1,
    )


def _relevance(relevant: Any, n_queries: int, n_responses: int) -> _Relevance:  # noqa: ANN401  of any library
    """Return the relevant rows; of a pair that is there several times, the largest gain.

    Raises:
        PairsError: there is none, or a row number does not exist.
    """
    columns = _columns(relevant, n_queries, n_responses)
    numbers = [_row_numbers(columns[at], name) for at, name in enumerate(COLUMNS)]
    for found, count, name in zip(numbers, (n_queries, n_responses), COLUMNS, strict=True):
        if found.size and not (found.min() >= 0 and found.max() < count):
            wrong = int(found.min() if found.min() < 0 else found.max())
            raise PairsError(f"{name} {wrong} does not exist; there are {count}, from 0")
    gains = np.ones(len(numbers[0])) if len(columns) == len(COLUMNS) else _gains(columns[2])
    if not len(numbers[0]) == len(numbers[1]) == len(gains):
        raise PairsError("the columns of the relevant rows differ in length; give as many of each")
    order = np.lexsort((-gains, numbers[1], numbers[0]))
    pairs = np.stack([numbers[0], numbers[1]], axis=1)[order]
    _, firsts = np.unique(pairs, axis=0, return_index=True)
    kept = order[firsts][gains[order[firsts]] > 0]
    if not kept.size:
        raise PairsError("no row is relevant to a query; give some that are")
    return _Relevance(queries=numbers[0][kept], rows=numbers[1][kept], gains=gains[kept])


def _columns(relevant: Any, n_queries: int, n_responses: int) -> list[Any]:  # noqa: ANN401  of any library
    if relevant is None:
        if n_queries != n_responses:
            raise PairsError(
                f"{n_queries} queries and {n_responses} responses are not pairs; give a table of "
                "the relevant rows"
            )
        return [np.arange(n_queries)] * 2
    if dataframes.is_table(relevant):
        graded = RELEVANCE in dataframes.column_names(relevant)
        names = (*COLUMNS, RELEVANCE) if graded else COLUMNS
        return [dataframes.column(relevant, name) for name in names]
    array = np.asarray(relevant)
    if array.ndim != len(COLUMNS) or array.shape[1] not in (2, 3):
        raise PairsError(
            f"the relevant rows have shape {list(array.shape)}, wanted [M, 2] or [M, 3]: query, "
            "response and relevance; or a table of these columns"
        )
    return [*array.T]


def _row_numbers(values: Any, name: str) -> Ints:  # noqa: ANN401  of any library
    array = np.asarray(values)
    whole = array.astype(np.intp) if array.dtype.kind in "iuf" else None
    if whole is None or not (whole == array).all():
        raise PairsError(f"{name} is {quoted(repr(values))}, wanted row numbers")
    return whole


def _gains(values: Any) -> F64:  # noqa: ANN401  of any library
    array = np.asarray(values)
    if array.dtype.kind not in "biuf" or not (np.isfinite(array) & (array >= 0)).all():
        raise PairsError(f"relevance is {quoted(repr(values))}, wanted numbers of 0 or more")
    return array.astype(np.float64)
