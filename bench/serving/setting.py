"""Setting of a run: servers that are up and paused, the load generator, the log."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, Self

from bench.harness.processes import JsonProcess, worker_environment
from bench.harness.results_log import ResultsLog
from bench.serving.contenders import BY_NAME, Contender
from bench.serving.inputs.items import folder_of
from bench.serving.neighbours import Neighbours
from bench.serving.processes import cpu_s
from bench.serving.server import Server, running
from bench.towers.inputs.workspace import Workspace

Facts = dict[str, Any]
TRIES: Final = 2
QUIET: Final = 0.05
"""Share of the cores that neighbours may take."""
GENERATOR: Final = "bench.serving.load.worker"


@dataclass(slots=True, kw_only=True)
class Setting:
    """Everything that a scenario asks; servers and generators are started at their first use."""

    workspace: Workspace
    log: ResultsLog
    names: list[str]
    seconds: float
    """Factor of all durations: 1 in a real run."""
    until: float
    round: int = 0
    _stack: ExitStack = field(default_factory=ExitStack)
    _servers: dict[str, Server] = field(default_factory=dict)
    _generators: dict[bool, JsonProcess] = field(default_factory=dict)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def contenders(self) -> list[Contender]:
        return [BY_NAME[name] for name in self.names]

    def is_late(self) -> bool:
        return time.monotonic() > self.until

    @contextmanager
    def server(self, contender: Contender) -> Iterator[Server]:
        """Let a contender's server run; all others are paused."""
        name = contender.name
        if name not in self._servers:
            server = self._stack.enter_context(Server(contender, self.workspace))
            self._servers[name] = server.wait_until_ready()
        with running(self._servers[name]) as server:
            yield server

    def ask(self, contender: Contender, question: Facts) -> Facts:
        """Put a load on a contender; return what it found, the CPU it cost, and the neighbours.

        `cores` is the mean number of cores that the service used; the engine's counts the
        generator, which holds it.
        """
        if contender.command is None:
            generator = self._generator(with_engine=True)
            return counted(lambda: generator.ask(question), generator.pid, holds_generator=True)
        self._generator(with_engine=False)
        with self.server(contender) as server:
            return counted(lambda: self.ask_running(server, question), server.pid)

    def ask_running(self, server: Server, question: Facts) -> Facts:
        """Put a load on a server that runs; return what the generator found."""
        contender = server.contender
        target = {"port": server.port, "path": contender.path, "compare": contender.same_towers}
        return self._generator(with_engine=False).ask(target | question)

    def _generator(self, *, with_engine: bool) -> JsonProcess:
        if with_engine not in self._generators:
            bundle = [self.workspace.bundle] if with_engine else []
            made = JsonProcess(
                *(GENERATOR, folder_of(self.workspace), *bundle),
                python=sys.executable,
                env=worker_environment(2),
                patience_s=900.0,
            )
            self._generators[with_engine] = self._stack.enter_context(made)
            made.answer()
        return self._generators[with_engine]

    def measure(self, scenario: str, contender: Contender, act: Callable[[], Facts]) -> None:
        """Run one cell, unless the log has it or the time is over.

        One beside busy neighbours is run again, twice in all, and the quietest is kept.
        """
        cell = self.cell(scenario, contender)
        if self.log.has(cell) or self.is_late():
            return
        found = act()
        for _ in range(TRIES - 1):
            if disturbance(found) <= QUIET or self.is_late():
                break
            found = min(found, act(), key=disturbance)
        self.log.add(cell | found)

    def cell(self, scenario: str, contender: Contender) -> Facts:
        """Return the name of a cell in the log."""
        return {
            "scenario": scenario,
            "peer": contender.name,
            "model": self.workspace.model,
            "round": self.round,
        }

    def saturation(self, contender: Contender, scenario: str) -> float:
        """Return the requests a second that saturate a contender, from the log."""
        line = self.log.find(self.cell(scenario, contender) | {"round": 0})
        if line is None:
            raise LookupError(f"run {scenario} first: there is none of {contender.name}")
        return float(line["requests_a_second"])

    def seed(self) -> int:
        """Seed of the arrivals: the same for all contenders of a round."""
        return 1 + self.round


def disturbance(found: Facts) -> float:
    """Return the share of the cores that neighbours and the host took meanwhile."""
    neighbours = found.get("neighbours", {})
    return float(neighbours.get("others", 0.0) + neighbours.get("steal", 0.0))


def counted(ask: Callable[[], Facts], pid: int, *, holds_generator: bool = False) -> Facts:
    """Return what a load found, with the cores that a process used meanwhile, and the neighbours.

    Args:
        ask: puts the load on it.
        pid: the process and its children.
        holds_generator: the generator is in that very process.
    """
    neighbours, before = Neighbours.read(), cpu_s(pid)
    found = ask()
    cpu = cpu_s(pid) - before
    ours = cpu if holds_generator else cpu + found["own_cpu_s"]
    found["cores"] = round(cpu / found["wall_s"], 4)
    found["cpu_s"] = round(cpu, 3)
    found["neighbours"] = Neighbours.read().since(neighbours, ours)
    return found
