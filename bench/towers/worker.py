"""A process that holds one contender, and answers a line of JSON for each line on stdin.

    python -m bench.towers.worker WORK MODEL CONTENDER THREADS SIDE...

Of its own, because OpenMP, TBB and onnxruntime choose their threads when loaded, and memory is a
process's.
"""

import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import numpy as np

from bench.towers.cases import Cell, items_of
from bench.towers.contenders import BY_NAME, Contender, Embed, Engine
from bench.towers.inputs.workspace import Ground, Side
from bench.towers.memory import memory_mb

ROOT: Final = Path(__file__).parents[2]
START_S: Final = 200.0


class Worker:
    """The asking side. A context manager: the process ends with it."""

    def __init__(
        self, ground: Ground, contender: Contender, threads: int, sides: Sequence[Side]
    ) -> None:
        self.name = contender.name
        python = contender.interpreter()
        assert python is not None
        command = [
            python,
            "-W",
            "ignore",
            "-m",
            "bench.towers.worker",
            str(ground.work),
            ground.model,
        ]
        self._process = subprocess.Popen(
            [*command, contender.name, str(threads), *sides],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env=environment(threads),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.stdin.close()
        self._process.wait()

    def ask(self, question: dict[str, Any]) -> dict[str, Any]:
        self.begin(question)
        return self.answer()

    def begin(self, question: dict[str, Any]) -> None:
        print(json.dumps(question), file=self._process.stdin, flush=True)

    def answer(self) -> dict[str, Any]:
        """The next line; the first one comes when the contender is open."""
        ready, _, _ = select.select([self._process.stdout], [], [], START_S)
        line = self._process.stdout.readline() if ready else ""
        if not line:
            self._process.kill()
            raise RuntimeError(f"{self.name} gave no answer, and ended with {self._process.wait()}")
        return dict(json.loads(line))


def environment(threads: int) -> dict[str, str]:
    """Ours, less what slows numpy down, and with the threads that OpenMP's users would set."""
    slowing = {"OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"}
    kept = {name: value for name, value in os.environ.items() if name not in slowing}
    limits = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), str(threads))
    return kept | limits | {"TOKENIZERS_PARALLELISM": "false", "HF_HUB_OFFLINE": "1"}


@dataclass(slots=True)
class Desk:
    """The answering side: one engine, and what is ready to be timed on it."""

    ground: Ground
    engine: Engine
    ready: list[Embed]

    def answer(self, question: dict[str, Any]) -> dict[str, Any]:
        match question.pop("do"):
            case "make ready":
                return self.make_ready(question)
            case "time":
                return self.time()
            case "embed":
                return self.embed(**question)
        raise ValueError(f"no such question: {question}")

    def make_ready(self, question: dict[str, Any]) -> dict[str, Any]:
        """Prepare a cell's calls, and make each once."""
        padded = question.pop("padded")
        cell = Cell(**question)
        items = items_of(self.ground, cell, padded=padded)
        make = self.engine.images if cell.side == "image" else self.engine.texts
        starts = range(0, cell.calls * cell.batch, cell.batch)
        self.ready = [make(items[start : start + cell.batch]) for start in starts]
        for embed in self.ready:
            embed()
        return {}

    def time(self) -> dict[str, Any]:
        """Wall ms of each call, CPU ms of all, and the most memory so far."""
        wall = []
        cpu = time.process_time()
        for embed in self.ready:
            begun = time.perf_counter()
            embed()
            wall.append(round(1e3 * (time.perf_counter() - begun), 4))
        cpu = time.process_time() - cpu
        return {"wall_ms": wall, "cpu_ms": round(1e3 * cpu, 3), "peak_mb": memory_mb("VmHWM")}

    def embed(self, side: Side, starts: Sequence[int], size: int, out: str) -> dict[str, Any]:
        """Leave the rows of pictures or captions in a file, embedded `size` at a time."""
        items = self.ground.pixels() if side == "image" else self.ground.caption_ids()
        make = self.engine.images if side == "image" else self.engine.texts
        rows = [make(items[start : start + size])() for start in starts]
        np.save(out, np.concatenate(rows))
        return {}


def serve(ground: Ground, contender: Contender, threads: int, sides: Sequence[Side]) -> None:
    # What a library prints must not come between the answers.
    answers, sys.stdout = sys.stdout, sys.stderr
    desk = Desk(ground=ground, engine=contender.open(ground, sides, threads), ready=[])
    print(json.dumps({"peak_mb": memory_mb("VmHWM")}), file=answers, flush=True)
    for line in sys.stdin:
        print(json.dumps(desk.answer(json.loads(line))), file=answers, flush=True)


if __name__ == "__main__":
    work, model, name, threads, *sides = sys.argv[1:]
    serve(Ground(model=model, work=Path(work)), BY_NAME[name], int(threads), sides)
