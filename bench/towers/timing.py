"""Timing of the cases of a comparison: every contender in turn, round by round."""

import contextlib
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from bench.harness.results_log import ResultsLog
from bench.towers.cases import Case, Comparison, questions
from bench.towers.contenders import Contender
from bench.towers.inputs.workspace import Modality, Workspace
from bench.towers.worker import Worker

Asked = dict[str, tuple[Worker, dict[str, Any]]]

ROUNDS: Final = {1: 20, 32: 7}
MANY_ROUNDS: Final = 5
PATIENCE_MS, MOST_PATIENCE_MS = 4000.0, 12000.0
"""A row that takes longer in a case has fewer rounds: 3, or 2 if those two took so very long."""
REST_S: Final = 0.03
"""OpenMP's and onnxruntime's threads spin for a while, on a core that the next one needs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonRun:
    """One run of a comparison, with the cases and the contenders chosen."""

    comparison: Comparison
    workspace: Workspace
    cases: Sequence[Case]
    names: Sequence[str]
    """Names of contenders; all of the comparison where there is none."""

    def measure(self, log: ResultsLog, until: float) -> None:
        """Measure the cases that the log lacks, until the time is over."""
        missing = [case for case in self.cases if not log.has(self.key(case))]
        modalities: list[Modality] = sorted({case.modality for case in missing})
        begun = time.monotonic()
        with contextlib.ExitStack() as stack:
            workers = {
                contender: stack.enter_context(self.worker(contender, modalities))
                for contender in self.entered(missing)
            }
            for worker in workers.values():
                worker.answer()
            report_progress(begun, f"{self.comparison.model}: {len(workers)} contenders are open")
            for case in missing:
                if time.monotonic() > until:
                    return
                for line in lines_of_case(asked(workers, case), case):
                    log.add(self.key(case) | line)
                report_progress(begun, f"{case} on {self.comparison.threads} threads is measured")

    def key(self, case: Case) -> dict[str, Any]:
        model, threads = self.comparison.model, self.comparison.threads
        return {"model": model, "threads": threads, "cell": str(case)}

    def entered(self, cases: Sequence[Case]) -> Iterator[Contender]:
        for contender in self.comparison.contenders():
            named = not self.names or contender.name in self.names
            needed = any(contender.takes(case.batch, case.modality) for case in cases)
            if named and needed and contender.interpreter():
                yield contender

    def worker(self, contender: Contender, modalities: Sequence[Modality]) -> Worker:
        of_it = [modality for modality in modalities if modality in contender.modalities]
        return Worker(self.workspace, contender, self.comparison.threads, of_it)


def asked(workers: Mapping[Contender, Worker], case: Case) -> Asked:
    """Return by the name of a row the worker to ask for it, and the question."""
    return {
        name: (worker, question)
        for contender, worker in workers.items()
        if contender.takes(case.batch, case.modality)
        for name, question in questions(contender, case).items()
    }


def report_progress(begun: float, what: str) -> None:
    print(f"{time.monotonic() - begun:6.1f} s {what}", flush=True)


def lines_of_case(asked: Asked, case: Case) -> list[dict[str, Any]]:
    """Return a line for each row, with the wall ms of each call of each round."""
    wall: dict[str, list[list[float]]] = {name: [] for name in asked}
    cpu: dict[str, list[float]] = {name: [] for name in asked}
    peak: dict[str, float] = {}
    shared = shared_workers(asked)
    for name, (worker, question) in asked.items():
        if name not in shared:
            worker.ask({"do": "prepare"} | question)
    for turn in range(ROUNDS.get(case.batch, MANY_ROUNDS)):
        for name, (worker, question) in asked.items():
            if turn >= 2 and turn * statistics.median(map(sum, wall[name])) > limit(turn):
                continue
            if name in shared:
                worker.ask({"do": "prepare"} | question)
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
    """Return the most ms that a row may have taken, to be asked again after `turn` rounds."""
    return PATIENCE_MS if turn > 2 else MOST_PATIENCE_MS


def shared_workers(asked: Asked) -> set[str]:
    """Return rows whose worker has another row too: it prepares before each of its turns."""
    workers = [worker for worker, _ in asked.values()]
    return {name for name, (worker, _) in asked.items() if workers.count(worker) > 1}
