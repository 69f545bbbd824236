"""Guard of numbers: at most so many requests in progress."""

from starlette.types import ASGIApp, Receive, Scope, Send

from twinlens.http.errors import overloaded
from twinlens.http.exchange import exchange_of
from twinlens.http.guards.authorization import OPEN
from twinlens.http.guards.error_answer import error_answer
from twinlens.http.service.service import Service


class CrowdGuard:
    """Passes on requests while not too many are in progress; health is always told."""

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self._app, self._service = app, service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take one request."""
        if scope["path"] in OPEN:
            await self._app(scope, receive, send)
            return
        service, most = self._service, self._service.options.max_requests
        if service.requests_in_progress >= most:
            error = overloaded(f"{most:,} requests are in progress; come again")
            await error_answer(error, exchange_of(scope))(scope, receive, send)
            return
        service.requests_in_progress += 1
        try:
            await self._app(scope, receive, send)
        finally:
            service.requests_in_progress -= 1
