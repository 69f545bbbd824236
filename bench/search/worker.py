"""One process that holds one contender and times it when asked, one line of JSON a question.

A process each, because OpenBLAS, OpenMP and torch choose their kernels and threads when loaded.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np

import twinlens_kernels
from bench.search.cells import Cell
from bench.search.corpus import queries
from bench.search.engines import ENGINES, as_ids
from bench.search.ground_truth import agreement

ROOT = Path(__file__).parents[2]
N_QUERIES = 256


class Worker:
    """The asking side. A context manager: the process ends with it."""

    def __init__(
        self, engine: str, rows_file: Path, threads: int, environment: Mapping[str, str]
    ) -> None:
        limits = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), str(threads))
        cleared = {
            name: value
            for name, value in os.environ.items()
            if name not in {"OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "GLIBC_TUNABLES"}
        }
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.search.worker", engine, str(rows_file), str(threads)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env=cleared | limits | dict(environment),
        )
        self.facts = self._answer()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.stdin.close()
        self._process.wait()

    def time(self, cell: Cell, settings: Mapping[str, int], warm_up: int = 0) -> dict[str, float]:
        """Wall and CPU ms of one search, after some that are not timed."""
        return self._ask(cell, settings, warm_up=warm_up)

    def judge(self, cell: Cell, settings: Mapping[str, int], truth: Path) -> dict[str, Any]:
        """Recall, and whether ids and order are those of the truth."""
        return self._ask(cell, settings, truth=str(truth))

    def _ask(self, cell: Cell, settings: Mapping[str, int], **more: object) -> dict[str, Any]:
        question = {"kind": cell.kind, "q": cell.n_queries, "k": cell.k, "settings": settings}
        print(json.dumps(question | more), file=self._process.stdin, flush=True)
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the contender's process ended with {self._process.wait()}")
        return json.loads(line)


def serve(engine: str, rows_file: Path, threads: int) -> None:
    """The answering side: a line of facts at first, then a line a question."""
    width = np.load(rows_file, mmap_mode="r").shape[1]
    asked = {kind: queries(N_QUERIES, width, kind) for kind in ("text", "image")}
    begun = time.perf_counter()
    search = ENGINES[engine](rows_file, threads)
    reply({"ready_s": time.perf_counter() - begun, "path": twinlens_kernels.PATH})
    for line in sys.stdin:
        question = json.loads(line)
        batch = asked[question["kind"]][: question["q"]]
        k, settings = question["k"], question["settings"]
        if "truth" in question:
            reply(agreement(as_ids(search(batch, k, settings)), np.load(question["truth"])))
            continue
        for _ in range(question["warm_up"]):
            search(batch, k, settings)
        wall, cpu = time.perf_counter(), time.process_time()
        search(batch, k, settings)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        reply({"wall_ms": 1e3 * wall, "cpu_ms": 1e3 * cpu})


def reply(facts: Mapping[str, Any]) -> None:
    print(json.dumps(facts), flush=True)


if __name__ == "__main__":
    serve(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
