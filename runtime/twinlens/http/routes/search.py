"""POST /search: rows of the index nearest to texts or images."""

from functools import partial
from time import monotonic
from typing import Final

from starlette.responses import Response

from twinlens.http.bodies.answers import Hit, SearchAnswer, SearchResult
from twinlens.http.bodies.items import Items
from twinlens.http.bodies.requests import SearchRequest
from twinlens.http.calls.call import Call
from twinlens.http.errors import HttpError, invalid
from twinlens.http.routes.embeddings import require_model
from twinlens.http.service.deployment import Deployment
from twinlens.index.index import Index
from twinlens.serving.work import F32

HITS_A_REQUEST: Final = 50_000
"""Most hits of all queries together; to write so many takes 10 ms of the event loop."""


async def search(call: Call) -> Response:
    """Return the k best rows of the index for each query."""
    request = await call.json(SearchRequest)
    deployment = await call.deployment()
    require_model(deployment, request.model)
    index = _index(deployment, request)
    items = Items()
    items.add_texts(request.texts or (), "texts")
    items.add_images(request.images or (), "images")
    items.require_some("texts" if request.texts is not None else "images")
    if len(items.content) * request.k > HITS_A_REQUEST:
        raise invalid(
            f"{len(items.content):,} queries of {request.k:,} hits are more than "
            f"{HITS_A_REQUEST:,}; ask for fewer",
            param="k",
            code="request_too_large",
        )
    wish = call.wish(timeout_ms=request.timeout_ms, priority=request.priority)
    deadline = monotonic() + wish.timeout_s
    deployment.scans.require_room()
    answer = await call.embed(deployment, items, wish)
    scan = deployment.scans.run(
        partial(_found, index, answer.rows, request.k),
        queries=len(items.content),
        timeout_s=deadline - monotonic(),
    )
    results = await call.result(scan, items.places)
    return call.answer(
        SearchAnswer(
            results=results,
            model=deployment.name,
            truncated=answer.truncated,
        )
    )


def _index(deployment: Deployment, request: SearchRequest) -> Index:
    if deployment.index is None:
        raise HttpError(
            404, "this server has no index; start it with --index FOLDER", code="no_index"
        )
    if (request.texts is None) == (request.images is None):
        raise invalid("wanted texts or images, one of them", param="texts")
    if request.images is not None and deployment.no_image_queries is not None:
        raise HttpError(409, deployment.no_image_queries, code="other_pixels", param="images")
    return deployment.index


def _found(index: Index, rows: F32, k: int) -> list[SearchResult]:
    """Return the hits of each of the rows [Q, D]."""
    hits = index.search(rows, k, threads=1)
    columns = hits.ids.tolist(), hits.rows.tolist(), hits.cosines.tolist()
    results = [
        SearchResult(
            hits=[
                Hit(id=name, row=row, cosine=cosine)
                for name, row, cosine in zip(*query, strict=True)
            ]
        )
        for query in zip(*columns, strict=True)
    ]
    if hits.errors is not None:  # codes alone
        for result, errors, exact in zip(
            results, hits.errors.tolist(), hits.exact.tolist(), strict=True
        ):
            result.exact = exact
            for hit, error in zip(result.hits, errors, strict=True):
                hit.error = error
    return results
