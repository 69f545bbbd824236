"""Server: opens the service, answers until a signal, drains, and ends."""

import asyncio
import gc
import logging
import os
import signal
import socket
import time
from collections.abc import Callable, Coroutine, Generator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Final

import uvicorn
from starlette.types import ASGIApp

from twinlens.http.app import application
from twinlens.http.request_log import FIELDS
from twinlens.http.server.connection import Connection, raise_file_limit
from twinlens.http.server.sockets import remove_path, url_of
from twinlens.http.server.systemd import tell_systemd
from twinlens.http.service.service import Service

logger = logging.getLogger(__name__)

ENDINGS: Final = (signal.SIGTERM, signal.SIGINT)
KEEP_ALIVE_S: Final = 75
"""Time for which an idle connection stays: longer than balancers keep theirs (60 s), and clients
(openai's 5 s), so that it is they who close, and no request meets a closing door."""
SWEEP_S: Final = 1.0
QUIET_TURNS: Final = 3
"""Turns of the event loop without a new connection before the door closes: one accepts, the next
one reads, and one spare."""
LAST_TURNS_S: Final = 1.0
"""Time for these turns, if connections come without a pause."""
DOUBLED_S: Final = 0.5
"""Time in which the same signal again is no second one: `timeout`, and a terminal with a program
that passes signals on, send each twice."""
ROUND_EVERY: Final = 10_000
"""New objects from one round of the garbage collector to the next. By Python's 700 a flood of 1,500
requests a second had 110 rounds a second, and some walked through all connections."""
SPARE_FILES: Final = 64
"""Descriptors kept for bundles, indexes and libraries."""


class Server(uvicorn.Server):
    """Server of one service, on sockets that are open.

    Args:
        service: opened beside the listening.
        drain_s: time for the answers to what was accepted.
        notice_s: time from a signal to the closing of the door.
        app: the application of the service; that of the API by default.
        on_ready: called with the addresses once the service is open.
    """

    def __init__(
        self,
        service: Service,
        *,
        drain_s: float,
        notice_s: float,
        app: ASGIApp | None = None,
        on_ready: Callable[[list[str]], object] | None = None,
    ) -> None:
        super().__init__(
            uvicorn.Config(
                app or application(service),
                http=Connection,
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_keep_alive=KEEP_ALIVE_S,
                proxy_headers=False,
                timeout_graceful_shutdown=max(1, round(drain_s)),
            )
        )
        self._service, self._drain_s, self._notice_s = service, drain_s, notice_s
        self._on_ready = on_ready
        self._ending = asyncio.Event()
        self.ended_by: int | None = None
        """Signal that ended it."""
        self._signalled = 0.0
        self.failure: Exception | None = None
        """Error of the opening, which ended it."""
        self.left_over = 0
        """Requests that were accepted, and not answered within the time to drain."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._hung_up = asyncio.Event()
        self._is_open = asyncio.Event()

    @property
    def answered(self) -> int:
        """Number of requests that were answered."""
        return self.server_state.total_requests

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, open the service beside it, and answer until the end."""
        files = raise_file_limit()
        if files is not None:
            Connection.most_connections = max(1, files - SPARE_FILES)
        self._loop, thresholds = asyncio.get_running_loop(), gc.get_threshold()
        gc.set_threshold(ROUND_EVERY, *thresholds[1:])
        self._keep(self._open(sockets or []))
        self._keep(self._sweep())
        self._keep(self._reload())
        with self._hangups():
            await super().serve(sockets)
        gc.unfreeze()
        gc.set_threshold(*thresholds)
        for task in self._tasks:
            task.cancel()
        self.left_over += await self._service.close(self._drain_s)

    async def main_loop(self) -> None:
        """Wait for the end; the date in the headers is renewed once a second."""
        while not self.should_exit:
            await self.on_tick(0)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._ending.wait(), 1.0)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close the sockets, and wait for the answers to what was accepted."""
        await self._take_what_is_there()
        await super().shutdown(sockets)
        self.left_over += len(self.server_state.tasks)

    async def _take_what_is_there(self) -> None:
        """Accept and read all that has lain in the sockets since before the end.

        A loop that lags has some.

        A turn of uvloop accepts a single connection.
        """
        end, quiet, known = time.monotonic() + LAST_TURNS_S, 0, -1
        while quiet < QUIET_TURNS and time.monotonic() < end:
            await asyncio.sleep(0)
            count = Connection.made
            quiet, known = (quiet + 1 if count == known else 0), count

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        """Take the signals that end it, until the context ends; none is raised again."""
        before = {number: signal.signal(number, self.handle_exit) for number in ENDINGS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002  uvicorn's
        """Begin the end at the first signal; at the second, end at once."""
        now = time.monotonic()
        if self.ended_by is not None:
            if sig != self.ended_by or now - self._signalled > DOUBLED_S:
                os._exit(128 + sig)
            return
        self.ended_by, self._signalled = sig, now
        self._loop.call_soon_threadsafe(self._begin_end)

    def _begin_end(self) -> None:
        """Be unready at once, stop later: a balancer is to see it before the sockets close."""
        self._service.draining = True
        tell_systemd("STOPPING=1")
        logger.info("draining: not ready, and at the end in %.1f s", self._notice_s)
        self._loop.call_later(self._notice_s, self._end)

    def _end(self) -> None:
        self.should_exit = True
        self._ending.set()

    async def _open(self, sockets: Sequence[socket.socket]) -> None:
        start = time.perf_counter()
        places = [url_of(one) for one in sockets]  # closed, if a signal ends it before it is open
        try:
            await self._service.open()
        except Exception as error:  # noqa: BLE001  told by the command line
            self.failure = error
            self._end()
            return
        _spare_collector()
        self._is_open.set()
        fields = {
            "event": "ready",
            "model": self._service.source.name,
            "at": places,
            "seconds": round(time.perf_counter() - start, 3),
        }
        logger.info(
            "%s is ready at %s",
            self._service.source.name,
            ", ".join(places),
            extra={FIELDS: fields},
        )
        tell_systemd("READY=1")
        if self._on_ready is not None:
            self._on_ready(places)

    async def _sweep(self) -> None:
        """Close connections whose clients are silent."""
        while True:
            await asyncio.sleep(SWEEP_S)
            # Apart: a variable here would hold the last connection after its end.
            self._sweep_all(time.monotonic())

    def _sweep_all(self, now: float) -> None:
        for connection in list(self.server_state.connections):
            if isinstance(connection, Connection):
                connection.sweep(now)

    @contextmanager
    def _hangups(self) -> Generator[None]:
        """Reload at SIGHUP, where there is such a signal, until the context ends."""
        if not hasattr(signal, "SIGHUP"):
            yield
            return
        self._loop.add_signal_handler(signal.SIGHUP, self._hung_up.set)
        try:
            yield
        finally:
            self._loop.remove_signal_handler(signal.SIGHUP)

    async def _reload(self) -> None:
        """Reload after each SIGHUP; once for all that come before it is open, or meanwhile."""
        while True:
            await self._hung_up.wait()
            await self._is_open.wait()
            self._hung_up.clear()
            if self._service.draining:
                continue
            tell_systemd(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")
            gc.unfreeze()
            is_new = await self._service.reload()
            _spare_collector()
            if is_new:
                logger.info("%s was opened anew", self._service.source.name)
            tell_systemd("READY=1")

    def _keep(self, work: Coroutine[object, object, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _spare_collector() -> None:
    """Take the objects that stay out of the garbage collector's rounds.

    A full round walks through all objects of the libraries and holds every request up.
    """
    gc.collect()
    gc.freeze()


def serve(
    service: Service,
    sockets: list[socket.socket],
    *,
    drain_s: float,
    notice_s: float,
    uds: Path | None,
) -> Server:
    """Serve until a signal; return the server that has ended.

    Raises:
        TwinlensError: the bundle or the index cannot be opened.
        OSError: likewise.
        KeyboardInterrupt: Ctrl-C ended it; everything accepted was answered.
    """
    try:
        return run(Server(service, drain_s=drain_s, notice_s=notice_s), sockets)
    finally:
        for one in sockets:
            one.close()
        if uds is not None:
            remove_path(uds)


def run(server: Server, sockets: list[socket.socket]) -> Server:
    """Run a server until a signal, as `serve` does."""
    server.run(sockets)
    if server.failure is not None:
        raise server.failure
    if server.ended_by == signal.SIGINT:
        raise KeyboardInterrupt
    return server
