"""Semantic search in one call, with the arguments and results of AutoGluon's."""

from typing import Any, Final, Literal, TypedDict

import numpy as np
from numpy.typing import ArrayLike

from twinlens.batch import Batch
from twinlens.dataframes import Table
from twinlens.errors import quoted
from twinlens.normalization import unit_rows
from twinlens.search.array_search import nearest_in_array
from twinlens.search.cosines import reported
from twinlens.search.searched_data import EmbeddingModel, OnCut, SearchedData, is_model
from twinlens.threads import usable_threads
from twinlens_kernels.validation import require_positive, require_same_width

COSINE: Final = "cosine"
DOT_PRODUCT: Final = "dot_prod"


class Response(TypedDict):
    """One response to a query."""

    response_id: int
    """Row in the response embeddings."""
    score: float
    """Cosine with the query."""


def semantic_search(  # noqa: PLR0913  those of AutoGluon's
    query_embeddings: ArrayLike | EmbeddingModel | None = None,
    response_embeddings: ArrayLike | None = None,
    top_k: int = 10,
    *,
    model: EmbeddingModel | None = None,
    matcher: EmbeddingModel | None = None,
    query_data: Batch[Any] | Table | None = None,
    response_data: Batch[Any] | Table | None = None,
    similarity_type: str = COSINE,
    query_chunk_size: int | None = None,
    response_chunk_size: int | None = None,
    corpus_chunk_size: int | None = None,
    on_error: Literal["raise", "nan"] = "raise",
    on_cut: OnCut = "warn",
    progress: bool = False,
) -> list[list[Response]]:
    """Return the `top_k` responses nearest to each query by exact cosine, best first.

    Embeddings are [Q, D] and [N, D] floats; one [D] query counts as Q = 1. The ids and cosines are
    those of an `Index` of the responses, which are read where they lie and not copied. To search
    them again and again, keep an `Index`: it searches several times faster.

    In place of either, data that a model embeds, as AutoGluon's function of this name takes them:

        semantic_search(model, query_data=["a dog"], response_data={"image": paths}, top_k=3)

    Args:
        query_embeddings: rows of the queries; or the model, where data are given by name.
        response_embeddings: rows of the responses.
        top_k: number of responses to a query, at least 1.
        model: embeds `query_data` and `response_data`.
        matcher: AutoGluon's word for the model.
        query_data: queries: a list or column of texts or images, or a table or dict of one such
            column, or of one named "query". Strings are texts, unless most of them
            name files.
        response_data: responses, likewise; the column of a wider table is named "response".
        similarity_type: "cosine"; "dot_prod" means the same for rows of a model, whose length is
            1, and is refused for other embeddings.
        query_chunk_size: taken for AutoGluon's sake, without an effect: memory is bounded anyway.
        response_chunk_size: likewise.
        corpus_chunk_size: likewise.
        on_error: "raise" names the first image of the data that cannot be read; with "nan" it is
            no response, and as a query it has none.
        on_cut: as for `Model.embed_texts`.
        progress: show a bar on stderr.

    Raises:
        ImageError: an image of the data cannot be read.
        TextError: a text of the data is no string.
        TypeError: The numbers are not floats, top_k is no integer, or data are given and no model.
        ValueError: The widths differ, a row holds NaN or infinity, top_k is below 1, queries or
            responses are given twice or not at all, or the similarity is another one.

    >>> semantic_search([[1.0, 0.0]], [[0.0, 2.0], [2.0, 0.0]], top_k=1)
    [[{'response_id': 1, 'score': 1.0}]]
    """
    require_positive("top_k", top_k)
    for chunk in (query_chunk_size, response_chunk_size, corpus_chunk_size):
        if chunk is not None:
            require_positive("a chunk size", chunk)
    if is_model(query_embeddings):
        model, query_embeddings = query_embeddings, None  # type: ignore[assignment]
    model = model if model is not None else matcher
    _check_similarity(similarity_type, all_embedded=query_embeddings is response_embeddings is None)
    data = SearchedData(model=model, on_error=on_error, on_cut=on_cut, progress=progress)
    asked, queries = data.rows(query_embeddings, query_data, "query")
    kept, responses = data.rows(response_embeddings, response_data, "response")
    queries = unit_rows(np.atleast_2d(queries))
    if responses.ndim != 2 or not responses.shape[1]:
        unit_rows(responses)  # refuses it
    require_same_width(queries, responses)
    found, cosines = nearest_in_array(queries, responses, int(top_k), threads=usable_threads())
    ids = found if kept is None else np.flatnonzero(kept)[found]
    told = [
        [Response(response_id=row, score=cosine) for row, cosine in zip(rows, best, strict=True)]
        for rows, best in zip(ids.tolist(), reported(cosines).tolist(), strict=True)
    ]
    if asked is None:
        return told
    answers = iter(told)
    return [next(answers) if known else [] for known in asked.tolist()]


def _check_similarity(kind: str, *, all_embedded: bool) -> None:
    if kind == COSINE or (kind == DOT_PRODUCT and all_embedded):
        return
    if kind == DOT_PRODUCT:
        raise ValueError(
            "similarity_type is 'dot_prod', and embeddings are searched by cosine alone; rows of a "
            "model have length 1, so leave it out"
        )
    raise ValueError(f"similarity_type is {quoted(repr(kind))}, not 'cosine' or 'dot_prod'")
