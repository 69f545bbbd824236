"""Connection: uvicorn's, with bounds on heads, on pipelined requests and on silence."""

import os
import socket
import time
from asyncio import Transport
from typing import Any, Final, cast

import msgspec
from httptools import HttpParserError, HttpParserUpgrade
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from twinlens.http.bodies.answers import ErrorAnswer, ErrorDetail
from twinlens.http.calls.line import KEY as LINE
from twinlens.http.calls.line import Line
from twinlens.http.server.one_write import OneWrite

HEAD_BYTES: Final = 64 << 10
"""Most bytes of a request's line, headers and trailers; httptools itself collects any number."""
PIPELINED: Final = 16
"""Most requests that wait on a connection for the answer to an earlier one."""
HEAD_S: Final = 10.0
"""Time for the head of a request, from the opening of the connection or its first byte on."""
UNREAD_S: Final = 30.0
"""Time in which a client must read something of an answer that waits for it."""
LEAVING_S: Final = 2.0
"""Time in which a client that was refused may read the answer and close."""


class HeadTooLargeError(Exception):
    """The head of a request has more bytes than the bound."""


class TooManyPipelinedError(Exception):
    """More requests wait on a connection than the bound."""


class Connection(HttpToolsProtocol):
    """Connection of one client."""

    made = 0
    """Connections made in this process."""
    head_s, unread_s = HEAD_S, UNREAD_S
    most_connections = 10_000

    def __init__(self, *settings: Any, **named: Any) -> None:  # noqa: ANN401  uvicorn's own
        super().__init__(*settings, **named)
        self._head_bytes = 0
        self._in_head = True
        self._waits_since: float | None = time.monotonic()
        """Time since which the head of a request is awaited; None between requests."""
        self._unread_bytes, self._unread_since = 0, 0.0
        self._deaf = False
        """True once further bytes are thrown away."""
        self._left_at: float | None = None
        self._is_declined = False
        """True while the head at hand asks for another protocol, and is to be parsed again."""
        self._due: list[tuple[RequestResponseCycle, Line]] = []
        """Requests not yet answered, the oldest first."""

    def connection_made(self, transport: Any) -> None:  # noqa: ANN401  asyncio's or uvloop's
        """Take a connection, or answer 429 and close it where there are too many."""
        Connection.made += 1
        super().connection_made(transport)
        if len(self.connections) > self.most_connections:
            self._deaf = True
            transport.write(_error(429, "too many connections are open; come again", "overloaded"))
            transport.close()

    def data_received(self, data: bytes) -> None:
        """Parse what has come."""
        if self._deaf:
            return
        if self._waits_since is None and self._in_head:
            self._waits_since = time.monotonic()
        if self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES + len(data):
                self._refuse(431, f"the head has more than {HEAD_BYTES:,} bytes", "head_too_large")
                return
        self._unset_keepalive_if_required()
        self._parse(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell every request that its client is gone; uvicorn tells the newest one only.

        It also keeps a connection that was reset for the whole time of an idle one.
        """
        for cycle, line in self._due:
            cycle.disconnected = True
            cycle.message_event.set()
            line.leave()
        self._due.clear()
        super().connection_lost(exc)
        self._unset_keepalive_if_required()

    def on_message_begin(self) -> None:
        """Begin the head of a request."""
        self._in_head, self._head_bytes, self._is_declined = True, 0, False
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """Take a part of the request's line."""
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; drop a trailer, which would become a header that no guard has seen."""
        self._count(len(name) + len(value))
        if self._in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """End the head: the request begins, or waits for its turn."""
        self._in_head, self._waits_since, self._head_bytes = False, None, 0
        if len(self.pipeline) >= PIPELINED:
            raise TooManyPipelinedError  # those before it are answered
        if self.parser.should_upgrade() and self.parser.get_method() != b"CONNECT":
            self._is_declined = True
            return
        super().on_headers_complete()
        cycle = self.cycle  # its task begins later
        if self.scope["method"] != "HEAD":  # which has no body to wait for
            cycle.transport = cast("Transport", OneWrite(self.transport, cycle))
        line = Line(cycle)
        cast("dict[str, Any]", self.scope)[LINE] = line
        self._due = [due for due in self._due if not due[0].response_complete]
        self._due.append((cycle, line))

    def on_message_complete(self) -> None:
        """End the body; the next byte begins a head."""
        self._in_head = True
        if not self._is_declined:
            super().on_message_complete()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002  it says less
        """Answer what is no HTTP."""
        if self._head_bytes > HEAD_BYTES:
            self._refuse(431, f"the head has more than {HEAD_BYTES:,} bytes", "head_too_large")
        else:
            self._refuse(400, "this is no HTTP/1.1 request", "invalid_http")

    def shutdown(self) -> None:
        """End the connection, but for one whose next request has begun or lies in its socket.

        That is answered; while the service drains each answer closes its connection.
        """
        if not (self._in_head and self._head_bytes) and not self._has_unread():
            super().shutdown()

    def sweep(self, now: float) -> None:
        """Close the connection if its client is silent for too long, or reads nothing.

        Args:
            now: `time.monotonic()`.
        """
        if self._left_at is not None and now - self._left_at > LEAVING_S:
            self.transport.abort()
            return
        unread = self.transport.get_write_buffer_size()
        if unread and unread == self._unread_bytes:
            if now - self._unread_since > self.unread_s:
                self.transport.abort()
            return
        self._unread_bytes, self._unread_since = unread, now
        if self._waits_since is not None and now - self._waits_since > self.head_s:
            self._waits_since = None
            if self._head_bytes:
                self._refuse(408, "the head of the request came too slowly", "head_timeout")
            else:
                self.transport.close()

    def _parse(self, data: bytes) -> None:
        """Parse bytes; a head that asks for another protocol once more, without this wish.

        The parser ends behind such a head. uvicorn drops what follows: the body, which Java's
        client sends with `upgrade: h2c`, would be empty, and in a later packet be another request.
        """
        try:
            self.parser.feed_data(data)
        except HttpParserUpgrade as end:
            self._parse(self._declined_head() + data[end.args[0] :])
        except HttpParserError:
            self.send_400_response("")

    def _declined_head(self) -> bytes:
        version = self.parser.get_http_version().encode("ascii")
        line = b"%s %s HTTP/%s" % (self.parser.get_method(), self.url, version)
        headers = [b"%s: %s" % pair for pair in self.headers if pair[0] != b"upgrade"]
        return b"\r\n".join([line, *headers, b"", b""])

    def _has_unread(self) -> bool:
        """Return True if the client has sent bytes that the event loop has not read."""
        own = self.transport.get_extra_info("socket")
        if own is None:
            return False
        try:
            with socket.socket(fileno=os.dup(own.fileno())) as one:
                one.setblocking(False)
                return bool(one.recv(1, socket.MSG_PEEK))
        except OSError:  # there are none, or there is no connection any more
            return False

    def _count(self, n_bytes: int) -> None:
        self._head_bytes += n_bytes
        if self._head_bytes > 2 * HEAD_BYTES:
            raise HeadTooLargeError

    def _refuse(self, status: int, message: str, code: str) -> None:
        """Answer with an error and end; where an answer is still due, end after that instead."""
        self._deaf = True
        cycle = self.cycle
        if cycle is not None and not cycle.response_complete:
            if self.pipeline or cycle.response_started or not cycle.more_body:
                cycle.keep_alive = False  # the newest of those that are due
                return
            # It is this request's own body that is wrong.
            cycle.disconnected = True
            cycle.message_event.set()
        self.transport.write(_error(status, message, code))
        self._leave()

    def _leave(self) -> None:
        """Close, but first let the client read: bytes that it still sends are thrown away.

        To close at once would reset the connection, and the answer might be lost.
        """
        self._deaf, self._left_at = True, time.monotonic()
        self.transport.write_eof()


def _error(status: int, message: str, code: str) -> bytes:
    """Return the bytes of an error that no route has answered."""
    kind = "rate_limit_error" if status == 429 else "invalid_request_error"
    detail = ErrorDetail(message=message, type=kind, param=None, code=code)
    body = msgspec.json.encode(ErrorAnswer(error=detail))
    head = (
        f"HTTP/1.1 {status} \r\ncontent-type: application/json\r\n"
        f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
    )
    return head.encode("ascii") + body


def raise_file_limit() -> int | None:
    """Let the process have as many open files as its hard limit allows; return the number."""
    try:
        import resource  # noqa: PLC0415  there is none on Windows
    except ImportError:
        return None
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = 1 << 16 if hard == resource.RLIM_INFINITY else min(hard, 1 << 16)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    return most
