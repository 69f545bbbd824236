"""Cosines of each contender's rows with the original's, and the effect of batch mates on a row."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from bench.harness.embeddings import BATCH, F32, normalized
from bench.harness.results_log import ResultsLog
from bench.towers.cases import Comparison
from bench.towers.inputs.workspace import Modality, Workspace
from bench.towers.worker import Worker

ALONE: Final = 8
"""Number of items that are embedded once more, each alone."""


def measure_accuracy(
    comparison: Comparison, workspace: Workspace, names: Sequence[str], log: ResultsLog
) -> None:
    """Measure each contender that the log lacks; all of the comparison where none is named."""
    for contender in comparison.contenders():
        if names and contender.name not in names:
            continue
        key = {"judged": contender.name, "model": workspace.model}
        if contender.interpreter() is None or log.has(key):
            continue
        modalities = [one for one in comparison.modalities if one in contender.modalities]
        with Worker(workspace, contender, comparison.threads, modalities) as worker:
            worker.answer()
            found = {one: agreement(worker, workspace, one) for one in modalities}
        log.add(key | found)
        print(contender.name, found, flush=True)


def agreement(worker: Worker, workspace: Workspace, modality: Modality) -> dict[str, Any]:
    truth = np.load(workspace.ground_truth(modality))
    together = embedded(worker, modality, range(0, len(truth), BATCH), BATCH)
    alone = embedded(worker, modality, range(ALONE), 1)
    cosines = np.einsum("nd,nd->n", normalized(together).astype(np.float64), truth)
    return {
        "worst_cosine": float(cosines.min()),
        "mean_cosine": float(cosines.mean()),
        "moved_by_batch": float(np.abs(together[:ALONE] - alone).max()),
        "items": len(truth),
    }


def embedded(worker: Worker, modality: Modality, starts: Sequence[int], size: int) -> F32:
    """Return the rows of the batches that begin at `starts`."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "rows.npy"
        question = {"do": "embed", "modality": modality, "starts": list(starts), "size": size}
        worker.ask(question | {"out": str(out)})
        found: F32 = np.load(out)
        return found
