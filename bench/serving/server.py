"""Server of one contender: a process that is started, paused, counted and stopped."""

import asyncio
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, Self

from bench.harness.paths import ROOT
from bench.harness.processes import worker_environment
from bench.serving.contenders import Contender
from bench.serving.load.connection import wait_until_ready
from bench.serving.processes import cpu_s, descriptors, family, memory_mb, threads
from bench.towers.inputs.workspace import Workspace

PATIENCE_S: Final = 120.0
STOP_S: Final = 30.0


class Server:
    """Running server. A context manager: the process and its children end with it."""

    def __init__(self, contender: Contender, workspace: Workspace) -> None:
        if contender.command is None:
            raise ValueError(f"{contender.name} has no process of its own")
        self.contender, self.port = contender, free_port()
        self._begun = time.perf_counter()
        self._process = subprocess.Popen(
            contender.command(workspace, self.port),
            cwd=ROOT,
            env=worker_environment(2) | contender.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=None if os.environ.get("BENCH_STDERR") else subprocess.DEVNULL,
            start_new_session=True,
        )
        self.ready_s = float("nan")

    @property
    def pid(self) -> int:
        return self._process.pid

    def wait_until_ready(self) -> Self:
        """Return when it says that it is ready; `ready_s` is the time from its start."""
        asyncio.run(
            wait_until_ready(
                self.port,
                self.contender.ready_path,
                patience_s=PATIENCE_S,
                is_alive=lambda: self._process.poll() is None,
            )
        )
        self.ready_s = time.perf_counter() - self._begun
        return self

    def cpu_s(self) -> float:
        return cpu_s(self.pid)

    def memory_mb(self) -> float:
        return memory_mb(self.pid)

    def descriptors(self) -> int:
        return descriptors(self.pid)

    def threads(self) -> int:
        return threads(self.pid)

    def pause(self) -> None:
        """Stop all its processes, which then cost nothing but memory."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def terminate(self) -> None:
        """Ask it to end, as systemd and containers do: SIGTERM to the first process."""
        self._process.send_signal(signal.SIGTERM)

    def wait(self) -> int:
        """Return the exit code when it has ended by itself; -9 if it had to be killed."""
        try:
            return self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._signal(signal.SIGKILL)
            self._process.wait()
            return -signal.SIGKILL

    def _signal(self, number: signal.Signals) -> None:
        for pid in family(self.pid):
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                continue

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        everything = family(self.pid)
        self.resume()
        self.terminate()
        self.wait()
        for pid in everything[1:]:  # children that outlived their parent
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextmanager
def running(server: Server) -> Iterator[Server]:
    """Let a paused server run for a while."""
    server.resume()
    try:
        yield server
    finally:
        server.pause()
