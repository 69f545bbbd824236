"""Process that holds one contender, and answers a line of JSON for each line on stdin.

python -m bench.towers.worker WORK MODEL CONTENDER THREADS MODALITY...
"""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from bench.harness.answers import Answer, claim_stdout
from bench.harness.memory import memory_mb
from bench.harness.processes import JsonProcess, worker_environment
from bench.harness.timing import spent_by
from bench.towers.cases import Case, items_of
from bench.towers.contenders import BY_NAME, Contender, Embed, Engine
from bench.towers.inputs.workspace import Modality, Workspace

PATIENCE_S: Final = 200.0
"""For one answer; OpenVINO's queue is compiled and tuned before it gives its first one."""


class Worker(JsonProcess):
    """Asking side; the first answer comes when the contender is open."""

    def __init__(
        self,
        workspace: Workspace,
        contender: Contender,
        threads: int,
        modalities: Sequence[Modality],
    ) -> None:
        super().__init__(
            *("bench.towers.worker", workspace.work, workspace.model),
            *(contender.name, threads, *modalities),
            python=str(contender.interpreter()),
            env=worker_environment(threads),
            patience_s=PATIENCE_S,
        )


@dataclass(slots=True)
class EngineServer:
    """Answering side: one engine, and the calls that are ready to be timed on it."""

    workspace: Workspace
    engine: Engine
    calls: list[Embed]

    def answer(self, question: dict[str, Any]) -> dict[str, Any]:
        match question.pop("do"):
            case "prepare":
                return self.prepare(question)
            case "time":
                return self.time()
            case "embed":
                return self.embed(**question)
        raise ValueError(f"no such question: {question}")

    def prepare(self, question: dict[str, Any]) -> dict[str, Any]:
        """Prepare the calls of one case, and make each once."""
        padded = question.pop("padded")
        case = Case(**question)
        items = items_of(self.workspace, case, padded=padded)
        make = self.engine.images if case.modality == "image" else self.engine.texts
        starts = range(0, case.calls * case.batch, case.batch)
        self.calls = [make(items[start : start + case.batch]) for start in starts]
        for embed in self.calls:
            embed()
        return {}

    def time(self) -> dict[str, Any]:
        """Return the wall ms of each call, the CPU ms of all, and the most memory so far."""
        spent = [spent_by(embed)[1] for embed in self.calls]
        return {
            "wall_ms": [round(one.wall_ms, 4) for one in spent],
            "cpu_ms": round(sum(one.cpu_ms for one in spent), 3),
            "peak_mb": round(memory_mb("VmHWM"), 1),
        }

    def embed(
        self, modality: Modality, starts: Sequence[int], size: int, out: str
    ) -> dict[str, Any]:
        """Write the rows of pictures or captions to a file, embedded `size` at a time."""
        image = modality == "image"
        items = self.workspace.pixels() if image else self.workspace.caption_ids()
        make = self.engine.images if image else self.engine.texts
        rows = [make(items[start : start + size])() for start in starts]
        np.save(out, np.concatenate(rows))
        return {}


def serve(
    workspace: Workspace,
    contender: Contender,
    threads: int,
    modalities: Sequence[Modality],
    answer: Answer,
) -> None:
    engine = contender.open(workspace, modalities, threads)
    server = EngineServer(workspace=workspace, engine=engine, calls=[])
    answer({"peak_mb": round(memory_mb("VmHWM"), 1)})
    for line in sys.stdin:
        answer(server.answer(json.loads(line)))


if __name__ == "__main__":
    stdout = claim_stdout()
    work, model, name, threads, *modalities = sys.argv[1:]
    place = Workspace(model=model, work=Path(work))
    serve(place, BY_NAME[name], int(threads), modalities, stdout)
