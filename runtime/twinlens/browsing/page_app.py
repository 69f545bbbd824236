"""Application of the page: its routes behind the guards of the service, and its headers."""

from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from twinlens.browsing.bodies import (
    DroppedAnswer,
    HitsAnswer,
    HitsRequest,
    LabelsAnswer,
    LabelsRequest,
    LibraryAnswer,
)
from twinlens.browsing.library.library import Library
from twinlens.browsing.pictures.thumbnails import Thumbnails
from twinlens.browsing.routes.hits import HitRoutes
from twinlens.browsing.routes.labels import LabelRoutes
from twinlens.browsing.routes.page import STATIC, PageRoutes
from twinlens.browsing.routes.pictures import PictureRoutes
from twinlens.http.app import application
from twinlens.http.bodies.answers import Health
from twinlens.http.routes import state
from twinlens.http.routes.table import RouteEntry
from twinlens.http.service.service import Service

HEADERS: Final = (
    (
        "content-security-policy",
        (
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
            "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
            "require-trusted-types-for 'script'; trusted-types 'none'"
        ),
    ),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("referrer-policy", "no-referrer"),
    ("x-content-type-options", "nosniff"),
)
"""Headers of every answer: no script but the page's own, no host but this one, in no frame."""


def page_application(service: Service, library: Library, thumbnails: Thumbnails) -> ASGIApp:
    """Return the ASGI application of the page over a library."""
    return WithHeaders(application(service, page_routes(library, thumbnails)))


def page_routes(library: Library, thumbnails: Thumbnails) -> list[RouteEntry]:
    """Return the routes of the page; none but these has an answer."""
    page, found, labels = PageRoutes(library), HitRoutes(library), LabelRoutes(library)
    pictures = PictureRoutes(library, thumbnails)
    return [
        *(
            RouteEntry(method="GET", path=path, act=page.file(path), answer=media)
            for path, (_, media) in STATIC.items()
        ),
        RouteEntry(method="GET", path="/library", act=page.library, answer=LibraryAnswer),
        RouteEntry(
            method="POST", path="/hits", act=found.hits, request=HitsRequest, answer=HitsAnswer
        ),
        RouteEntry(
            method="POST", path="/dropped", act=found.drop, request="image/*", answer=DroppedAnswer
        ),
        RouteEntry(
            method="POST",
            path="/labels",
            act=labels.labels,
            request=LabelsRequest,
            answer=LabelsAnswer,
        ),
        RouteEntry(
            method="GET", path="/thumbnails/{ref}", act=pictures.thumbnail, answer="image/webp"
        ),
        RouteEntry(method="GET", path="/views/{ref}", act=pictures.view, answer="image/webp"),
        RouteEntry(method="GET", path="/health/live", act=state.live, answer=Health),
    ]


class WithHeaders:
    """Application whose every answer has the headers of the page."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take one request."""

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS:
                    headers[name] = value
            await send(message)

        await self._app(scope, receive, with_headers)
