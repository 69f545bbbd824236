"""Semantic search in one call, with results in AutoGluon's format."""

from typing import TypedDict

import numpy as np
from numpy.typing import ArrayLike

from twinlens.normalization import read_floats, unit_rows
from twinlens.search.array_search import nearest_in_array
from twinlens.search.cosines import reported
from twinlens.threads import usable_threads
from twinlens_kernels.validation import require_positive, require_same_width


class Response(TypedDict):
    """One response to a query."""

    response_id: int
    """Row in the response embeddings."""
    score: float
    """Cosine with the query."""


def semantic_search(
    query_embeddings: ArrayLike, response_embeddings: ArrayLike, *, top_k: int = 10
) -> list[list[Response]]:
    """Return the `top_k` responses nearest to each query by exact cosine, best first.

    Embeddings are [Q, D] and [N, D] floats; one [D] query counts as Q = 1. The ids and cosines are
    those of an `Index` of the responses, which are read where they lie and not copied. To search
    them again and again, keep an `Index`: it searches several times faster.

    Raises:
        TypeError: The numbers are not floats, or top_k is no integer.
        ValueError: The widths differ, a row holds NaN or infinity, or top_k is below 1.

    >>> semantic_search([[1.0, 0.0]], [[0.0, 2.0], [2.0, 0.0]], top_k=1)
    [[{'response_id': 1, 'score': 1.0}]]
    """
    require_positive("top_k", top_k)
    queries = unit_rows(np.atleast_2d(read_floats(query_embeddings)))
    responses = read_floats(response_embeddings)
    if responses.ndim != 2 or not responses.shape[1]:
        unit_rows(responses)  # refuses it
    require_same_width(queries, responses)
    found, cosines = nearest_in_array(queries, responses, int(top_k), threads=usable_threads())
    return [
        [Response(response_id=row, score=cosine) for row, cosine in zip(rows, best, strict=True)]
        for rows, best in zip(found.tolist(), reported(cosines).tolist(), strict=True)
    ]
