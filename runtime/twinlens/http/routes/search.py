"""POST /search: rows of the index nearest to texts or images."""

import asyncio

from starlette.responses import Response

from twinlens.http.bodies.answers import Hit, SearchAnswer, SearchResult
from twinlens.http.bodies.items import Items
from twinlens.http.bodies.requests import SearchRequest
from twinlens.http.calls.call import Call
from twinlens.http.errors import HttpError, invalid
from twinlens.http.routes.embeddings import require_model
from twinlens.http.service.deployment import Deployment
from twinlens.index.hits import Hits
from twinlens.index.index import Index


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
    wish = call.wish(timeout_ms=request.timeout_ms, priority=request.priority)
    answer = await call.embed(deployment, items, wish)
    hits = await asyncio.to_thread(index.search, answer.rows, request.k, threads=1)
    return call.answer(
        SearchAnswer(
            results=[SearchResult(hits=found) for found in _told(hits)],
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


def _told(hits: Hits) -> list[list[Hit]]:
    columns = hits.ids.tolist(), hits.rows.tolist(), hits.cosines.tolist()
    return [
        [Hit(id=name, row=row, cosine=cosine) for name, row, cosine in zip(*query, strict=True)]
        for query in zip(*columns, strict=True)
    ]
