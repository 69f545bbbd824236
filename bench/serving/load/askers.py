"""Ways to a service: by HTTP, or our engine in this very process."""

import asyncio
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

import twinlens
from bench.serving.load.connection import Connection, is_whole
from bench.serving.load.requests import Request, http_request


@dataclass(frozen=True, slots=True)
class Outcome:
    """End of one request."""

    status: int
    """Of HTTP; 0: none came."""
    fault: str = ""
    is_right: bool | None = None
    """True if the rows are those of twinlens to the bit; None if nobody compared."""


class Asker(Protocol):
    """A service that may be asked by any number of tasks at once."""

    async def ask(self, request: Request) -> Outcome: ...

    async def close(self) -> None: ...


class HttpAsker:
    """Asker by HTTP, on as many connections as are in use at once."""

    def __init__(self, port: int, path: str, *, compare: bool) -> None:
        self._port, self._path, self._compare = port, path, compare
        self._free: list[Connection] = []
        self._encoded: dict[int, bytes] = {}

    async def ask(self, request: Request) -> Outcome:
        connection = self._free.pop() if self._free else Connection(self._port)
        found = await connection.ask(self._bytes(request))
        self._free.append(connection)
        is_right = None
        if found.status == 200 and self._compare:
            is_right = all(row in found.body for row in request.encoded_rows)
        return Outcome(found.status, found.fault, is_right)

    def _bytes(self, request: Request) -> bytes:
        key = id(request)
        if key not in self._encoded:
            self._encoded[key] = http_request(self._path, request.body)
        return self._encoded[key]

    async def close(self) -> None:
        for connection in self._free:
            connection.close()
        await asyncio.sleep(0)


class EngineAsker:
    """Asker of an `AsyncModel` in this process."""

    def __init__(self, serving: "twinlens.AsyncModel", *, compare: bool) -> None:
        self._serving, self._compare = serving, compare

    @classmethod
    async def opened(cls, bundle: Path, *, compare: bool) -> "EngineAsker":
        serving = twinlens.AsyncModel(twinlens.load(bundle, device="cpu", threads=1))
        await serving.__aenter__()
        return cls(serving, compare=compare)

    async def ask(self, request: Request) -> Outcome:
        try:
            if isinstance(request.items[0], str):
                rows = await self._serving.embed_texts(request.items)
            else:
                rows = await self._serving.embed_images(request.items)
        except twinlens.OverloadedError:
            return Outcome(429)
        except twinlens.DeadlineError:
            return Outcome(504)
        is_right = None
        if self._compare:
            is_right = bool(np.array_equal(rows.view(np.int32), request.rows.view(np.int32)))
        return Outcome(200, "", is_right)

    async def close(self) -> None:
        await self._serving.aclose()


class BlockingAsker:
    """Asker of one request at a time by HTTP, without a loop between the socket and the clock."""

    def __init__(self, port: int, path: str, *, compare: bool) -> None:
        self._path, self._compare = path, compare
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    async def ask(self, request: Request) -> Outcome:
        self._socket.sendall(http_request(self._path, request.body))
        found = b""
        while not is_whole(found):
            part = self._socket.recv(1 << 20)
            if not part:
                return Outcome(0, "closed")
            found += part
        is_right = all(row in found for row in request.encoded_rows) if self._compare else None
        return Outcome(int(found[9:12]), "", is_right)

    async def close(self) -> None:
        self._socket.close()


async def spent_ms(asker: Asker, request: Request) -> float:
    """Return the ms of one request; RuntimeError if it fails, or has other rows."""
    begun = time.perf_counter()
    outcome = await asker.ask(request)
    if outcome.status != 200 or outcome.is_right is False:
        raise RuntimeError(f"answered {outcome}")
    return 1e3 * (time.perf_counter() - begun)
