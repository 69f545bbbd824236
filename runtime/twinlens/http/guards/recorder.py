"""Recorder, the outermost guard: counts and logs each request, and ends it well."""

import asyncio
import logging
from collections.abc import Collection
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from twinlens.http.errors import not_ready, unforeseen
from twinlens.http.exchange import KEY, Exchange
from twinlens.http.guards.error_answer import error_answer
from twinlens.http.request_log import log_request
from twinlens.http.service.service import Service

logger = logging.getLogger(__name__)

SECURITY: Final = (("x-content-type-options", "nosniff"), ("cache-control", "no-store"))
SHORT_BYTES: Final = 64 << 10
"""Bytes of a body that is read to its end behind an early answer, so that the connection stays."""
TOO_SLOW: Final = 408
LINGER_S: Final = 2.0
LINGER_BYTES: Final = 8 << 20
"""Of a body that nobody wants: read and thrown away after the answer is out. To close at once
would reset the connection, and the client might never see the answer."""


class Recorder:
    """Gives each request an exchange; adds the headers of every answer."""

    def __init__(self, app: ASGIApp, service: Service, paths: Collection[str]) -> None:
        self._app, self._service, self._paths = app, service, frozenset(paths)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = scope[KEY] = Exchange.of(scope)
        if exchange.path in self._paths:
            exchange.route = exchange.path
        connection = _Connection(exchange, self._service, scope, receive, send)
        metrics = self._service.metrics
        try:
            with metrics.in_progress.track_inprogress():
                await self._answer(scope, connection)
        except asyncio.CancelledError:
            # The time to drain is over.
            if exchange.status:
                raise
            error = not_ready("the server ends before the answer", code="draining")
            answer = error_answer(error, exchange)
            await answer(scope, connection.receive, connection.send)
        finally:
            self._service.bodies.release(exchange.body_bytes)
            metrics.held_bytes.set(self._service.bodies.held_bytes)
            metrics.requests.labels(exchange.route, str(exchange.status)).inc()
            metrics.seconds.labels(exchange.route).observe(exchange.seconds)
            log_request(exchange)

    async def _answer(self, scope: Scope, connection: "_Connection") -> None:
        try:
            await self._app(scope, connection.receive, connection.send)
        except Exception as error:  # the last gate: whatever has failed, a client is answered
            exchange = connection.exchange
            exchange.failure = error
            if exchange.status:
                raise
            answer = error_answer(unforeseen(exchange.request_id), exchange)
            await answer(scope, connection.receive, connection.send)


class _Connection:
    """Channels of one request."""

    def __init__(
        self, exchange: Exchange, service: Service, scope: Scope, receive: Receive, send: Send
    ) -> None:
        self.exchange, self._service = exchange, service
        self._receive, self._send = receive, send
        headers = Headers(scope=scope)
        length = headers.get("content-length", "")
        self._is_long = not length.isdigit() or int(length) > SHORT_BYTES
        # A client that waits for "100 Continue" has sent nothing, and will not once it is answered.
        self._sends_body = headers.get("expect", "").lower() != "100-continue"

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request":
            self._sends_body = True
            self.exchange.body_done = not message.get("more_body", False)
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.exchange.status = message["status"]
            self._add_headers(MutableHeaders(scope=message))
            await self._send(message)
        elif message.get("more_body", False) or self.exchange.body_done or not self._sends_body:
            await self._send(message)
        else:
            await self._send({**message, "more_body": True})
            await self._discard()
            await self._send({"type": "http.response.body", "body": b""})

    def _add_headers(self, headers: MutableHeaders) -> None:
        headers["x-request-id"] = self.exchange.request_id
        for name, value in SECURITY:
            headers[name] = value
        is_slow = self.exchange.status == TOO_SLOW
        if self._service.draining or ((self._is_long or is_slow) and not self.exchange.body_done):
            headers["connection"] = "close"

    async def _discard(self) -> None:
        left = LINGER_BYTES
        try:
            async with asyncio.timeout(LINGER_S):
                while not self.exchange.body_done and left > 0:
                    message = await self.receive()
                    if message["type"] == "http.disconnect":
                        return
                    left -= len(message.get("body", b""))
        except TimeoutError:
            return
