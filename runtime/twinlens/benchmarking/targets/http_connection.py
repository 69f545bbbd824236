"""Connections to a service: one that waits, and one for coroutines."""

import asyncio
import contextlib
import socket
import ssl
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from twinlens.benchmarking.errors import ServiceError
from twinlens.benchmarking.targets.answer_reader import AnswerReader
from twinlens.errors import quoted

PATIENCE_S: Final = 30.0
PART: Final = 1 << 18
EMBEDDINGS: Final = "/embeddings"
FIRST_VERSION: Final = "/v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Place of a service, and the head of every request to it."""

    host: str
    port: int
    is_tls: bool
    base: str
    """Path up to the version: "/v1"."""
    key: str | None = None

    @classmethod
    def read(cls, url: str, key: str | None = None) -> "Address":
        """Read a URL such as http://127.0.0.1:8000, with or without the path of the embeddings.

        Raises:
            ValueError: it is none of http or https.
        """
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"url is {quoted(url)}, wanted one such as http://127.0.0.1:8000")
        is_tls = parts.scheme == "https"
        path = parts.path.rstrip("/").removesuffix(EMBEDDINGS)
        return cls(
            host=parts.hostname,
            port=parts.port or (443 if is_tls else 80),
            is_tls=is_tls,
            base=path or FIRST_VERSION,
            key=key,
        )

    def request(
        self, method: str, path: str, body: bytes = b"", *, priority: str | None = None
    ) -> bytes:
        """Return the bytes of a request; a body is JSON."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        lines = [f"{method} {self.base}{path} HTTP/1.1", f"host: {host}:{self.port}"]
        if body:
            lines += ["content-type: application/json", f"content-length: {len(body)}"]
        if self.key is not None:
            lines.append(f"authorization: Bearer {self.key}")
        if priority is not None:
            lines.append(f"priority: {priority}")
        return "\r\n".join([*lines, "", ""]).encode("latin-1") + body

    def tls(self) -> ssl.SSLContext | None:
        """Return the context of TLS; None without it."""
        return ssl.create_default_context() if self.is_tls else None


class WaitingConnection:
    """Connection of one request at a time, with nothing between the socket and the clock."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._socket: socket.socket | None = None

    def ask(self, request: bytes) -> tuple[int, bytes]:
        """Send a request; return the status and the body.

        Raises:
            ServiceError: there is no connection, or no whole answer.
        """
        for is_last in (self._socket is None, True):
            reader = AnswerReader()
            try:
                self._exchange(request, reader)
            except OSError as error:
                self.close()
                if is_last or reader.has_begun:  # else the server had closed an idle connection
                    place = f"{self._address.host}:{self._address.port}"
                    raise ServiceError(f"{place} does not answer: {error}; is it up?") from error
                continue
            if reader.closes:
                self.close()
            return reader.status, reader.body()
        raise AssertionError("the second exchange returns or raises")

    def _exchange(self, request: bytes, reader: AnswerReader) -> None:
        if self._socket is None:
            address = self._address
            plain = socket.create_connection((address.host, address.port), timeout=PATIENCE_S)
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            tls = address.tls()
            self._socket = tls.wrap_socket(plain, server_hostname=address.host) if tls else plain
        self._socket.sendall(request)
        while not reader.is_whole:
            part = self._socket.recv(PART)
            if not part:
                raise ConnectionResetError("the connection was closed before the end")
            reader.feed(part)

    def close(self) -> None:
        """Close the connection; the next request opens another."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None


class Connection:
    """Connection of one request at a time, for coroutines."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, request: bytes) -> tuple[int, bytes]:
        """Send a request; return the status and the body; 0 and nothing if there is no answer."""
        for is_last in (self._streams is None, True):
            reader = AnswerReader()
            try:
                await self._exchange(request, reader)
            except (OSError, ServiceError):
                self.close()
                if is_last or reader.has_begun:
                    return 0, b""
                continue
            except asyncio.CancelledError:  # its answer may still come: not for the next request
                self.close()
                raise
            if reader.closes:
                self.close()
            return reader.status, reader.body()
        return 0, b""

    async def _exchange(self, request: bytes, reader: AnswerReader) -> None:
        if self._streams is None:
            self._streams = await asyncio.open_connection(
                self._address.host, self._address.port, ssl=self._address.tls(), limit=PART
            )
        incoming, outgoing = self._streams
        outgoing.write(request)
        while not reader.is_whole:
            part = await incoming.read(PART)
            if not part:
                raise ConnectionResetError("the connection was closed before the end")
            reader.feed(part)

    def close(self) -> None:
        """Close the connection; the next request opens another."""
        if self._streams is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended
                self._streams[1].close()
            self._streams = None
