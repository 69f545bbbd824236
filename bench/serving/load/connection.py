"""Connection of HTTP/1.1 that costs the generator little: one request at a time, no parser."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, cast

HEAD_END: Final = b"\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Answer:
    """Status and body of an answer, or the way in which there was none."""

    status: int
    body: bytes
    fault: str = ""
    """"refused": no connection; "closed": the server ended it without an answer."""


class Connection(asyncio.Protocol):
    """One connection, opened at its first request and again after it was closed."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._waiting: asyncio.Future[Answer] | None = None

    async def ask(self, request: bytes) -> Answer:
        """Send the bytes of one request and return its answer."""
        if self._transport is None:
            loop = asyncio.get_running_loop()
            try:
                made, _ = await loop.create_connection(lambda: self, "127.0.0.1", self._port)
            except OSError:
                return Answer(0, b"", "refused")
            self._transport = cast("asyncio.Transport", made)
        self._waiting = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._waiting

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not is_whole(self._buffer):
            return
        head, _, body = bytes(self._buffer).partition(HEAD_END)
        self._buffer.clear()
        self._finish(Answer(int(head[9:12]), body))

    def connection_lost(self, _: Exception | None) -> None:
        self._transport = None
        self._buffer.clear()
        self._finish(Answer(0, b"", "closed"))

    def _finish(self, answer: Answer) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is not None and not waiting.done():
            waiting.set_result(answer)


def is_whole(answer: bytes | bytearray) -> bool:
    """Return True if an answer with a content-length has come to its end."""
    end = answer.find(HEAD_END)
    if end < 0:
        return False
    head = bytes(answer[:end]).lower()
    start = head.index(b"content-length:") + 15
    length = int(head[start:].split(b"\r\n", 1)[0])
    return len(answer) >= end + len(HEAD_END) + length


async def wait_until_ready(
    port: int, path: str, *, patience_s: float, is_alive: Callable[[], bool]
) -> None:
    """Ask a path every 5 ms until it is answered with 200."""
    until = time.perf_counter() + patience_s
    request = f"GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n".encode()
    while time.perf_counter() < until and is_alive():
        connection = Connection(port)
        answer = await asyncio.wait_for(connection.ask(request), patience_s)
        connection.close()
        if answer.status == 200:
            return
        await asyncio.sleep(0.005)
    raise TimeoutError(f"port {port} was not ready in {patience_s} s, or its process has ended")
