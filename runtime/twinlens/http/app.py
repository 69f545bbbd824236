"""Application: routes behind guards, in pure ASGI."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from twinlens.errors import quoted
from twinlens.http.calls.call import Call
from twinlens.http.errors import HttpError, as_http_error, unforeseen
from twinlens.http.exchange import exchange_of
from twinlens.http.guards.authorization import KeyGuard
from twinlens.http.guards.crowd import CrowdGuard
from twinlens.http.guards.error_answer import error_answer
from twinlens.http.guards.hosts import HostGuard
from twinlens.http.guards.recorder import Recorder
from twinlens.http.routes.table import ROUTES, Act, RouteEntry
from twinlens.http.service.service import Service

OPENAPI: Final = "/openapi.json"


def application(service: Service, routes: Sequence[RouteEntry] = ROUTES) -> ASGIApp:
    """Return the ASGI application of a service, with the routes of the API or others.

    Starlette's BaseHTTPMiddleware has no part in it: it hides from a route that its client left.
    """
    options = service.options
    router = Starlette(
        routes=[Route(entry.path, _endpoint(entry), methods=[entry.method]) for entry in routes],
        exception_handlers={HTTPException: _no_route},
    )
    router.router.redirect_slashes = False
    app: ASGIApp = CrowdGuard(Dispatcher(routes, router), service=service)
    if service.keys is not None:
        app = KeyGuard(app, keys=service.keys)
    if options.cors_origins:
        app = CORSMiddleware(
            app,
            allow_origins=options.cors_origins,
            allow_methods=("GET", "POST"),
            allow_headers=("*",),  # openai's JavaScript client sends a dozen of its own
            expose_headers=("server-timing", "retry-after", "x-request-id"),
        )
    if options.allowed_hosts:
        app = HostGuard(app, names=options.allowed_hosts)
    return Recorder(app, service, [entry.path for entry in routes])


class Dispatcher:
    """Passes a request to the act of its path and method, or on to Starlette's router.

    The router knows paths with parameters, HEAD, and answers to what no route has; it costs a tenth
    of a millisecond.
    """

    def __init__(self, routes: Sequence[RouteEntry], app: ASGIApp) -> None:
        self._acts = {(entry.method, entry.path): entry.act for entry in routes}
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take one request."""
        act = self._acts.get((scope["method"], scope["path"]))
        if act is None:
            await self._app(scope, receive, send)
        else:
            answer = await _answered(act, scope, receive)
            await answer(scope, receive, send)


def _endpoint(entry: RouteEntry) -> Callable[[Request], Awaitable[Response]]:
    """Return the endpoint of a route."""

    async def endpoint(request: Request) -> Response:
        return await _answered(entry.act, request.scope, request.receive)

    return endpoint


async def _answered(act: Act, scope: Scope, receive: Receive) -> Response:
    """Return the answer of an act; whatever it raises becomes one."""
    exchange = exchange_of(scope)
    call = Call(scope, receive)
    try:
        return await act(call)
    except Exception as error:  # noqa: BLE001  the gate of all routes: none tells of the inside
        found = as_http_error(error)
        if found is None:
            exchange.failure = error
            found = unforeseen(exchange.request_id)
        return error_answer(found, exchange)
    finally:
        call.end()


async def _no_route(request: Request, error: Exception) -> Response:
    """Return the answer to a path or a method that no route has."""
    status = error.status_code if isinstance(error, HTTPException) else 404
    headers = (error.headers if isinstance(error, HTTPException) else None) or {}
    path = quoted(request.url.path)
    if status == 405:
        message = f"{path} takes {headers.get('Allow', 'other methods')}, not {request.method}"
        found = HttpError(405, message, code="method_not_allowed", headers=headers)
    else:
        is_told = any(getattr(route, "path", "") == OPENAPI for route in request.app.routes)
        cure = f"; see {OPENAPI}" if is_told else ""
        found = HttpError(404, f"there is no {path} here{cure}", code="not_found")
    return error_answer(found, exchange_of(request.scope))
