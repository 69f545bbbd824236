"""Recorder, the outermost guard: counts and logs each request, and ends it well."""

import asyncio
import logging
from collections.abc import Collection, Iterator
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from twinlens.http.errors import not_ready, unforeseen
from twinlens.http.exchange import KEY, Exchange
from twinlens.http.guards.error_answer import error_answer
from twinlens.http.request_log import log_request
from twinlens.http.service.service import SERVICE, Service

logger = logging.getLogger(__name__)

SECURITY: Final = ((b"x-content-type-options", b"nosniff"), (b"cache-control", b"no-store"))
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
        scope[SERVICE] = self._service
        connection = _Connection(exchange, self._service, receive, send)
        metrics = self._service.metrics
        metrics.in_progress += 1
        try:
            await self._answer(scope, connection)
        except asyncio.CancelledError:
            # The time to drain is over.
            if exchange.status:
                raise
            error = not_ready("the server ends before the answer", code="draining")
            answer = error_answer(error, exchange)
            await answer(scope, connection.receive, connection.send)
        finally:
            metrics.in_progress -= 1
            self._service.bodies.release(exchange.body_bytes)
            metrics.on_answer(exchange.route, exchange.status, exchange.seconds)
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

    def __init__(self, exchange: Exchange, service: Service, receive: Receive, send: Send) -> None:
        self.exchange, self._service = exchange, service
        self._receive, self._send = receive, send
        headers = exchange.headers
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
            headers = [*message.get("headers", ()), *self._own_headers(message)]
            await self._send({**message, "headers": headers})
        elif message.get("more_body", False) or self.exchange.body_done or not self._sends_body:
            await self._send(message)
        else:
            await self._send({**message, "more_body": True})
            await self._discard()
            await self._send({"type": "http.response.body", "body": b""})

    def _own_headers(self, message: Message) -> Iterator[tuple[bytes, bytes]]:
        """Yield the headers that are added to an answer; those that it has stay."""
        given = {name for name, _ in message.get("headers", ())}
        yield b"x-request-id", self.exchange.request_id.encode("ascii")
        for name, value in SECURITY:
            if name not in given:
                yield name, value
        is_slow = self.exchange.status == TOO_SLOW
        if self._service.draining or ((self._is_long or is_slow) and not self.exchange.body_done):
            yield b"connection", b"close"

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
