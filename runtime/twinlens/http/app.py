"""Application: routes behind guards, in pure ASGI."""

from collections.abc import Awaitable, Callable

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from twinlens.errors import quoted
from twinlens.http.calls.call import Call
from twinlens.http.errors import HttpError, as_http_error, unforeseen
from twinlens.http.exchange import exchange_of
from twinlens.http.guards.authorization import KeyGuard
from twinlens.http.guards.crowd import CrowdGuard
from twinlens.http.guards.error_answer import error_answer
from twinlens.http.guards.hosts import HostGuard
from twinlens.http.guards.recorder import Recorder
from twinlens.http.routes.table import ROUTES, RouteEntry
from twinlens.http.service.service import Service


def application(service: Service) -> ASGIApp:
    """Return the ASGI application of a service.

    Starlette's BaseHTTPMiddleware has no part in it: it hides from a route that its client left.
    """
    options = service.options
    guards = []
    if options.allowed_hosts:
        guards.append(Middleware(HostGuard, names=options.allowed_hosts))
    if options.cors_origins:
        guards.append(
            Middleware(
                CORSMiddleware,
                allow_origins=options.cors_origins,
                allow_methods=("GET", "POST"),
                allow_headers=("authorization", "content-type", "x-request-timeout-ms"),
                expose_headers=("server-timing", "retry-after", "x-request-id"),
            )
        )
    if service.keys is not None:
        guards.append(Middleware(KeyGuard, keys=service.keys))
    guards.append(Middleware(CrowdGuard, service=service))
    app = Starlette(
        routes=[Route(entry.path, _endpoint(entry), methods=[entry.method]) for entry in ROUTES],
        middleware=guards,
        exception_handlers={HTTPException: _no_route},
    )
    app.router.redirect_slashes = False
    app.state.service = service
    return Recorder(app, service, [entry.path for entry in ROUTES])


def _endpoint(entry: RouteEntry) -> Callable[[Request], Awaitable[Response]]:
    """Return the endpoint of a route: whatever its act raises becomes an answer."""

    async def endpoint(request: Request) -> Response:
        exchange = exchange_of(request.scope)
        call = Call(request)
        try:
            return await entry.act(call)
        except Exception as error:  # noqa: BLE001  the gate of all routes: none tells of the inside
            found = as_http_error(error)
            if found is None:
                exchange.failure = error
                found = unforeseen(exchange.request_id)
            return error_answer(found, exchange)
        finally:
            call.end()

    return endpoint


async def _no_route(request: Request, error: Exception) -> Response:
    """Return the answer to a path or a method that no route has."""
    status = error.status_code if isinstance(error, HTTPException) else 404
    headers = (error.headers if isinstance(error, HTTPException) else None) or {}
    path = quoted(request.url.path)
    if status == 405:
        message = f"{path} takes {headers.get('Allow', 'other methods')}, not {request.method}"
        found = HttpError(405, message, code="method_not_allowed", headers=headers)
    else:
        found = HttpError(404, f"there is no {path} here; see /openapi.json", code="not_found")
    return error_answer(found, exchange_of(request.scope))
