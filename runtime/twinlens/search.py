"""Semantic search in one call, with the results that AutoGluon's users know."""

from typing import TypedDict

from numpy.typing import ArrayLike

from twinlens.index import Index


class Response(TypedDict):
    """One response to a query."""

    response_id: int
    """Its row in the response embeddings."""
    score: float
    """Its cosine with the query."""


def semantic_search(
    query_embeddings: ArrayLike, response_embeddings: ArrayLike, *, top_k: int = 10
) -> list[list[Response]]:
    """The `top_k` responses nearest to each query by exact cosine, best first.

    Embeddings are [Q, D] and [N, D] floats; one [D] query counts as Q = 1. To search the same
    responses again, keep an `Index` of them.

    >>> semantic_search([[1.0, 0.0]], [[0.0, 2.0], [2.0, 0.0]], top_k=1)
    [[{'response_id': 1, 'score': 1.0}]]
    """
    hits = Index.build(response_embeddings).search(query_embeddings, top_k)
    return [
        [Response(response_id=row, score=cosine) for row, cosine in zip(ids, cosines, strict=True)]
        for ids, cosines in zip(hits.ids.tolist(), hits.cosines.tolist(), strict=True)
    ]
