"""Guard of keys: `authorization: Bearer KEY`, but for the health of the service."""

from collections.abc import Mapping
from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from twinlens.http.errors import HttpError
from twinlens.http.exchange import exchange_of
from twinlens.http.guards.error_answer import error_answer
from twinlens.http.service.keys import KeyRing

OPEN: Final = frozenset({"/health/live", "/health/ready"})
"""Paths that orchestrators ask without a key; they tell one word."""


class KeyGuard:
    """Passes on requests that bear a key of the ring."""

    def __init__(self, app: ASGIApp, keys: KeyRing) -> None:
        self._app, self._keys = app, keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take one request."""
        exchange = exchange_of(scope)
        if scope["path"] in OPEN or self._keys.opens(_key(exchange.headers)):
            await self._app(scope, receive, send)
            return
        error = HttpError(
            401,
            "the key is missing or unknown; send authorization: Bearer KEY",
            code="invalid_api_key",
            headers={"www-authenticate": "Bearer"},
        )
        await error_answer(error, exchange)(scope, receive, send)


def _key(headers: Mapping[str, str]) -> bytes:
    scheme, _, key = headers.get("authorization", "").partition(" ")
    return key.strip().encode("latin-1") if scheme.lower() == "bearer" else b""
