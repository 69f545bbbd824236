"""Servers of the tests: a service on a loop of its own thread, and real processes."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self, TypeVar

import httpx
from starlette.types import ASGIApp

from twinlens.http.app import application
from twinlens.http.options import HttpOptions
from twinlens.http.service.deployment import Source
from twinlens.http.service.keys import KeyRing
from twinlens.http.service.service import Service

T = TypeVar("T")

PATIENCE_S = 60
"""Longest wait for anything that is bound to come, on a machine that is full."""


class LoopThread:
    """An event loop that runs in a thread of its own."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine there; return its result."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(PATIENCE_S)

    def end(self) -> None:
        """End the loop."""
        self.run(self.loop.shutdown_default_executor())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()


class InProcess:
    """A service, called without a socket."""

    def __init__(self, loop: LoopThread, service: Service, app: ASGIApp | None = None) -> None:
        self.service, self._loop = service, loop
        self.application = app or application(service)
        self._client = httpx.AsyncClient(
            transport=httpx.ASGITransport(self.application), base_url="http://localhost"
        )

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on the loop of the service."""
        return self._loop.run(work)

    def ask(self, method: str, path: str, **request: Any) -> httpx.Response:  # noqa: ANN401  httpx\'s own
        """Send one request."""
        return self.run(self._client.request(method, path, timeout=PATIENCE_S, **request))

    def post(self, path: str, **request: Any) -> httpx.Response:  # noqa: ANN401  httpx\'s own
        """Send one POST."""
        return self.ask("POST", path, **request)

    def get(self, path: str, **request: Any) -> httpx.Response:  # noqa: ANN401  httpx\'s own
        """Send one GET."""
        return self.ask("GET", path, **request)

    def refused(self, path: str, **request: Any) -> tuple[int, dict[str, Any]]:  # noqa: ANN401  httpx\'s own
        """Send one POST that gets an error; return its status and content."""
        answer = self.post(path, **request)
        (content,) = answer.json().values()
        return answer.status_code, content

    def close(self) -> None:
        """Close the client and the service."""
        self.run(self._client.aclose())
        self.run(self.service.close(PATIENCE_S))


def demo_source(**changes: Any) -> Source:  # noqa: ANN401  fields of a Source
    """Return the source of a service on the demo model."""
    settings = {
        "bundle": "demo",
        "index": None,
        "name": "demo",
        "device": "cpu",
        "precision": "auto",
        "pixels": "exact",
        "threads": 2,
        "max_queue": None,
        "timeout_s": 60.0,
    }
    return Source(**{**settings, **changes})


@contextmanager
def in_process(
    loop: LoopThread,
    *,
    options: HttpOptions | None = None,
    keys: KeyRing | None = None,
    **changes: Any,  # noqa: ANN401  fields of a Source
) -> Iterator[InProcess]:
    """Open a service on the demo model."""
    service = Service(demo_source(**changes), options or HttpOptions(timeout_s=60.0), keys=keys)
    loop.run(service.open())
    found = InProcess(loop, service)
    try:
        yield found
    finally:
        found.close()


class ServerProcess:
    """`twinlens serve` in a process of its own."""

    def __init__(
        self,
        *arguments: str,
        plant: str = "",
        under: Sequence[str] = (),
        **settings: Any,  # noqa: ANN401  Popen's own
    ) -> None:
        code = f"{plant}\nimport sys; from twinlens_command import main; sys.exit(main())"
        self.process = subprocess.Popen(
            [*under, sys.executable, "-c", code, "serve", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **settings,
        )
        self.lines: list[dict[str, Any] | str] = []
        """Lines of its log; those of JSON are read."""
        self._came = threading.Condition()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def __enter__(self) -> Self:
        self.ready = self.line(lambda line: line.get("event") == "ready")
        return self

    def __exit__(self, *error: object) -> None:
        self.end(signal.SIGKILL)

    @property
    def url(self) -> str:
        """Its first address."""
        found: str = self.ready["at"][0]
        return found

    @property
    def port(self) -> int:
        """Its port."""
        return int(self.url.rpartition(":")[2])

    def line(self, wanted: Callable[[dict[str, Any]], bool], *, after: int = 0) -> dict[str, Any]:
        """Wait for a line of the log, behind the first `after`."""

        def found() -> dict[str, Any] | None:
            lines = [line for line in self.lines[after:] if isinstance(line, dict)]
            return next(filter(wanted, lines), None)

        with self._came:
            came = self._came.wait_for(
                lambda: found() is not None or self.process.poll() is not None, PATIENCE_S
            )
        line = found()
        assert came, self.lines
        assert line is not None, self.lines
        return line

    def client(self, **settings: Any) -> httpx.Client:  # noqa: ANN401  httpx\'s own
        """Return a client of it."""
        return httpx.Client(base_url=self.url, timeout=PATIENCE_S, **settings)

    def connect(self) -> socket.socket:
        """Open a connection to it."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_S)

    def end(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        """Send a signal, and wait for the end; return the exit code and the standard output."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.ended()

    def ended(self) -> tuple[int, str]:
        """Wait for the end; return the exit code and the standard output."""
        code = self.process.wait(PATIENCE_S)
        self._reader.join()
        assert self.process.stdout is not None
        out = "" if self.process.stdout.closed else self.process.stdout.read()
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()
        return code, out

    def _read(self) -> None:
        assert self.process.stderr is not None
        for written in self.process.stderr:
            with self._came:
                try:
                    self.lines.append(json.loads(written))
                except ValueError:
                    self.lines.append(written.rstrip("\n"))
                self._came.notify_all()
        with self._came:
            self._came.notify_all()


def open_files(process: subprocess.Popen[str]) -> int:
    """Return the number of open files of a process, on Linux."""
    return len(os.listdir(f"/proc/{process.pid}/fd"))  # noqa: PTH208


def resident_mb(process: subprocess.Popen[str]) -> float:
    """Return the resident memory of a process, on Linux."""
    status = Path(f"/proc/{process.pid}/status").read_text("ascii")
    line = next(line for line in status.splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024
