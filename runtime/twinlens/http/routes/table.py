"""Table of the routes: path, method, bodies and act of each."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from msgspec import Struct
from starlette.responses import Response

from twinlens.http.bodies import answers, requests
from twinlens.http.calls.call import Call
from twinlens.http.routes import classify, cohere, embeddings, match, raw_image, search, state

Act = Callable[[Call], Awaitable[Response]]


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteEntry:
    """Path, method, bodies and act of a route."""

    method: str
    path: str
    act: Act
    request: type[Struct] | str | None = None
    """Kind of its JSON, or the media type of another body."""
    answer: type[Struct] | str
    """Kind of its JSON, or the media type of another answer."""
    errors: tuple[int, ...] = ()


ASKED: Final = (400, 401, 404, 408, 413, 415, 422, 429, 500, 503, 504)
"""Statuses of every route that embeds."""

ROUTES: Final = (
    RouteEntry(
        method="POST",
        path="/v1/embeddings",
        act=embeddings.embeddings,
        request=requests.EmbeddingsRequest,
        answer=answers.EmbeddingsAnswer,
        errors=ASKED,
    ),
    RouteEntry(
        method="POST",
        path="/v2/embed",
        act=cohere.embed,
        request=requests.CohereRequest,
        answer=answers.CohereAnswer,
        errors=ASKED,
    ),
    RouteEntry(
        method="POST",
        path="/embed",
        act=raw_image.embed,
        request="image/*",
        answer=answers.RawAnswer,
        errors=(*ASKED, 406),
    ),
    RouteEntry(
        method="POST",
        path="/match",
        act=match.match,
        request=requests.MatchRequest,
        answer=answers.MatchAnswer,
        errors=(*ASKED, 409),
    ),
    RouteEntry(
        method="POST",
        path="/classify",
        act=classify.classify,
        request=requests.ClassifyRequest,
        answer=answers.ClassifyAnswer,
        errors=ASKED,
    ),
    RouteEntry(
        method="POST",
        path="/search",
        act=search.search,
        request=requests.SearchRequest,
        answer=answers.SearchAnswer,
        errors=(*ASKED, 409),
    ),
    RouteEntry(
        method="GET",
        path="/v1/models",
        act=state.models,
        answer=answers.ModelsAnswer,
        errors=(401, 503),
    ),
    RouteEntry(
        method="GET", path="/health/live", act=state.live, answer=answers.Health, errors=(503,)
    ),
    RouteEntry(
        method="GET", path="/health/ready", act=state.ready, answer=answers.Health, errors=(503,)
    ),
    RouteEntry(
        method="GET", path="/metrics", act=state.metrics, answer="text/plain", errors=(401,)
    ),
    RouteEntry(
        method="GET",
        path="/openapi.json",
        act=state.openapi,
        answer="application/json",
        errors=(401,),
    ),
)
