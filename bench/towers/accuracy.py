"""How near each contender's rows are to the original's, and whether batch mates move them."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from bench.towers.cases import Field
from bench.towers.inputs.workspace import F32, Ground, Side, unit
from bench.towers.ledger import Ledger
from bench.towers.worker import Worker

BATCH: Final = 32
ALONE: Final = 8
"""So many are embedded once more, alone."""


def judge(field: Field, ground: Ground, names: Sequence[str], ledger: Ledger) -> None:
    """Judge each that the ledger does not have; all of the field where none is named."""
    for contender in field.contenders():
        if names and contender.name not in names:
            continue
        key = {"judged": contender.name, "model": ground.model}
        if contender.interpreter() is None or ledger.has(key):
            continue
        sides = [side for side in field.sides if side in contender.sides]
        with Worker(ground, contender, field.threads, sides) as worker:
            worker.answer()
            found = {side: judged(worker, ground, side) for side in sides}
        ledger.add(key | found)
        print(contender.name, found, flush=True)


def judged(worker: Worker, ground: Ground, side: Side) -> dict[str, Any]:
    truth = np.load(ground.truth(side))
    together = rows(worker, side, range(0, len(truth), BATCH), BATCH)
    alone = rows(worker, side, range(ALONE), 1)
    cosines = np.einsum("nd,nd->n", unit(together).astype(np.float64), truth)
    return {
        "worst_cosine": float(cosines.min()),
        "mean_cosine": float(cosines.mean()),
        "moved_by_batch": float(np.abs(together[:ALONE] - alone).max()),
        "items": len(truth),
    }


def rows(worker: Worker, side: Side, starts: Sequence[int], size: int) -> F32:
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "rows.npy"
        question = {"do": "embed", "side": side, "starts": list(starts), "size": size}
        worker.ask(question | {"out": str(out)})
        found: F32 = np.load(out)
        return found
