"""The timing of a cell: every contender in its turn, round by round."""

import contextlib
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from bench.towers.cases import Cell, Field, questions
from bench.towers.contenders import Contender
from bench.towers.inputs.workspace import Ground, Side
from bench.towers.ledger import Ledger
from bench.towers.worker import Worker

Asked = dict[str, tuple[Worker, dict[str, Any]]]

ROUNDS: Final = {1: 20, 32: 7}
MANY_ROUNDS: Final = 5
PATIENCE_MS, MOST_PATIENCE_MS = 4000.0, 12000.0
"""A row that takes longer in a cell has fewer rounds: 3, or 2 if those two took so very long."""
REST_S: Final = 0.03
"""The threads of OpenMP and onnxruntime spin for a while on a core that the next one needs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Meeting:
    """The contenders of one field, and what of them is wanted."""

    field: Field
    ground: Ground
    cells: Sequence[Cell]
    names: Sequence[str]
    """Of the contenders that take part; all of the field where none is named."""

    def measure(self, ledger: Ledger, until: float) -> None:
        """Every cell that the ledger does not have, until the time is over."""
        missing = [cell for cell in self.cells if not ledger.has(self.key(cell))]
        sides: list[Side] = sorted({cell.side for cell in missing})
        begun = time.monotonic()
        with contextlib.ExitStack() as stack:
            workers = {
                contender: stack.enter_context(self.worker(contender, sides))
                for contender in self.entered(missing)
            }
            for worker in workers.values():
                worker.answer()
            told(begun, f"{self.field.model}: {len(workers)} contenders are open")
            for cell in missing:
                if time.monotonic() > until:
                    return
                for line in duel(asked(workers, cell), cell):
                    ledger.add(self.key(cell) | line)
                told(begun, f"{cell} on {self.field.threads} threads is measured")

    def key(self, cell: Cell) -> dict[str, Any]:
        return {"model": self.field.model, "threads": self.field.threads, "cell": str(cell)}

    def entered(self, cells: Sequence[Cell]) -> Iterator[Contender]:
        for contender in self.field.contenders():
            named = not self.names or contender.name in self.names
            needed = any(contender.takes(cell.batch, cell.side) for cell in cells)
            if named and needed and contender.interpreter():
                yield contender

    def worker(self, contender: Contender, sides: Sequence[Side]) -> Worker:
        of_it = [side for side in sides if side in contender.sides]
        return Worker(self.ground, contender, self.field.threads, of_it)


def asked(workers: Mapping[Contender, Worker], cell: Cell) -> Asked:
    """By the name of a row, whom to ask for it, and what."""
    return {
        name: (worker, question)
        for contender, worker in workers.items()
        if contender.takes(cell.batch, cell.side)
        for name, question in questions(contender, cell).items()
    }


def told(begun: float, what: str) -> None:
    print(f"{time.monotonic() - begun:6.1f} s {what}", flush=True)


def duel(asked: Asked, cell: Cell) -> list[dict[str, Any]]:
    """A line for each row: the wall ms of each call of each round."""
    wall: dict[str, list[list[float]]] = {name: [] for name in asked}
    cpu: dict[str, list[float]] = {name: [] for name in asked}
    peak: dict[str, float] = {}
    shared = shared_workers(asked)
    for name, (worker, question) in asked.items():
        if name not in shared:
            worker.ask({"do": "make ready"} | question)
    for turn in range(ROUNDS.get(cell.batch, MANY_ROUNDS)):
        for name, (worker, question) in asked.items():
            if turn >= 2 and turn * statistics.median(map(sum, wall[name])) > limit(turn):
                continue
            if name in shared:
                worker.ask({"do": "make ready"} | question)
            time.sleep(REST_S)
            found = worker.ask({"do": "time"})
            wall[name].append(found["wall_ms"])
            cpu[name].append(found["cpu_ms"])
            peak[name] = found["peak_mb"]
    return [
        {"row": name, "wall_ms": wall[name], "cpu_ms": cpu[name], "peak_mb": peak[name]}
        for name in asked
    ]


def limit(turn: int) -> float:
    """The most ms that a row may have taken, to be asked once more after so many rounds."""
    return PATIENCE_MS if turn > 2 else MOST_PATIENCE_MS


def shared_workers(asked: Asked) -> set[str]:
    """The rows whose worker has another row too: it is made ready before each of its turns."""
    workers = [worker for worker, _ in asked.values()]
    return {name for name, (worker, _) in asked.items() if workers.count(worker) > 1}
