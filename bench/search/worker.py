"""Process that holds one contender and times it, one line of JSON a question.

python -m bench.search.worker ENGINE ROWS_FILE THREADS
"""

import json
import sys
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import twinlens_kernels
from bench.harness.answers import Answer, claim_stdout
from bench.harness.processes import JsonProcess, worker_environment
from bench.harness.timing import spent_by
from bench.search.cells import Cell
from bench.search.corpus import Kind, queries_file
from bench.search.engines import ENGINES, as_ids
from bench.search.ground_truth import agreement

N_QUERIES = 256
KINDS: tuple[Kind, ...] = ("text", "image")


class Worker(JsonProcess):
    """Asking side: one contender with one corpus open."""

    def __init__(
        self, engine: str, rows_file: Path, threads: int, environment: Mapping[str, str]
    ) -> None:
        chosen = worker_environment(threads, environment)
        super().__init__("bench.search.worker", engine, rows_file, threads, env=chosen)
        self.facts = self.answer()

    def time(
        self, cell: Cell, settings: Mapping[str, int], warm_up_ms: float = 0.0
    ) -> dict[str, float]:
        """Return wall and CPU ms of one search, after some for so long that are not timed."""
        return self.ask(question(cell, settings) | {"warm_up_ms": warm_up_ms})

    def compare(self, cell: Cell, settings: Mapping[str, int], truth: Path) -> dict[str, Any]:
        """Return the recall, if ids and order are those of the ground truth, and wall ms."""
        return self.ask(question(cell, settings) | {"truth": str(truth)})


def question(cell: Cell, settings: Mapping[str, int]) -> dict[str, Any]:
    return {"kind": cell.kind, "q": cell.n_queries, "k": cell.k, "settings": settings}


def serve(engine: str, rows_file: Path, threads: int, answer: Answer) -> None:
    """Answer a line of facts at first, then a line a question."""
    width = np.load(rows_file, mmap_mode="r").shape[1]
    asked = {
        kind: np.load(queries_file(rows_file.parent, N_QUERIES, width, kind)) for kind in KINDS
    }
    begun = time.perf_counter()
    search = ENGINES[engine](rows_file, threads)
    answer({"ready_s": time.perf_counter() - begun, "path": twinlens_kernels.PATH})
    for line in sys.stdin:
        question = json.loads(line)
        batch = asked[question["kind"]][: question["q"]]
        run = partial(search, batch, question["k"], question["settings"])
        if "truth" in question:
            found, spent = spent_by(run)
            same = agreement(as_ids(found), np.load(question["truth"]))
            answer(same | {"wall_ms": spent.wall_ms})
            continue
        until = time.perf_counter() + question["warm_up_ms"] / 1e3
        while time.perf_counter() < until:
            run()
        _, spent = spent_by(run)
        answer({"wall_ms": spent.wall_ms, "cpu_ms": spent.cpu_ms})


if __name__ == "__main__":
    serve(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), claim_stdout())
