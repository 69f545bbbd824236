"""Activation statistics: the channels' magnitudes of a float32 tower on calibration samples."""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray

from twinlens.bundle.specs import TextSpec
from twinlens.ort.device import CPU
from twinlens.ort.session import Session
from twinlens.ort.session_options import CpuMemory
from twinlens.threads import usable_threads
from twinlens_export.architecture import F32
from twinlens_export.graph.graph import Array, Graph, ValueInfo, save
from twinlens_export.verification.verify import padded

BATCH: Final = 2
"""Images of a run. More would not be faster, and the statistics keep the activations of all layers
until the end of a run: 180 MB an image of ViT-L/14."""
FRUGAL: Final = CpuMemory(arena=False, shared=True)
"""Memory of the sessions of an export: an arena grows to twice what a run needs, which for batches
of 17 images of ViT-L/14 in float32 is 1.4 GB."""
MAPPED: Final = CpuMemory(arena=False, packed=False, shared=True)
"""Memory of those that run a few batches of a float32 tower: its weights stay in the mapped file.
Packed, they are in memory twice over: 2.3 GB of ViT-L/14."""
MEAN_SQUARES: Final = "mean_squares"
UNKNOWN: Final = np.empty(0, np.float32)
NOTHING: Final[Mapping[str, Array]] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivationStats:
    """Embeddings and activation statistics of a float32 tower on samples."""

    rows: F32
    """Unit rows [N, D]."""
    rms: Mapping[str, F32]
    """Root mean square of every input channel [in] of a linear map, by its name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenGraph:
    """A graph in a session."""

    graph: Graph
    session: Session = field(repr=False)

    def __call__(self, batch: Array, more: Mapping[str, Array] = NOTHING) -> F32:
        """Return unit rows [B, D] of one batch; `more` are the extra inputs, if any."""
        return self.session.run({self.graph.input.name: batch, **more}, self.graph.output.name)


@contextmanager
def open_graph(graph: Graph, folder: Path, *, memory: CpuMemory = FRUGAL) -> Iterator[OpenGraph]:
    """Open a graph in a session; its files lie in the folder until the end."""
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        path = Path(temporary) / "graph.onnx"
        save(graph, path)
        session = Session(
            path, device=CPU, threads=usable_threads(), name=graph.name, memory=memory
        )
        yield OpenGraph(graph=graph, session=session)


def embed(graph: Graph, batches: Sequence[Array], folder: Path) -> F32:
    """Return the embeddings of samples: unit rows [N, D]."""
    with open_graph(graph, folder) as tower:
        return np.concatenate([tower(batch) for batch in batches])


def activation_stats(graph: Graph, batches: Sequence[Array], folder: Path) -> ActivationStats:
    """Run a float32 tower once and collect its statistics.

    Args:
        graph: the tower.
        batches: calibration samples; every token of them counts, so they hold no padding unless
            the tower attends to it.
        folder: for temporary files.
    """
    products = {
        node.name: node
        for node in graph.nodes
        if node.op == "MatMul" and graph.weights.get(node.inputs[1], UNKNOWN).ndim == 2
    }
    widths = [len(graph.weights[node.inputs[1]]) for node in products.values()]
    watched = _with_mean_squares(graph, [node.inputs[0] for node in products.values()], sum(widths))
    rows, means = [], []
    with open_graph(watched, folder) as tower:
        for batch in batches:
            feeds = {graph.input.name: batch}
            row, mean = tower.session.run_bound(feeds, (graph.output.name, MEAN_SQUARES))
            rows.append(row)
            means.append(mean)
    # Batches differ in length: near enough a mean over all tokens.
    rms = np.sqrt(np.mean(means, axis=0, dtype=np.float64)).astype(np.float32)
    parts = np.split(rms, np.cumsum(widths)[:-1])
    return ActivationStats(rows=np.concatenate(rows), rms=dict(zip(products, parts, strict=True)))


def image_batches(images: NDArray[np.uint8]) -> list[Array]:
    """Cut images [N, S, S, 3] into batches."""
    return [images[start : start + BATCH] for start in range(0, len(images), BATCH)]


def text_batches(texts: Sequence[Sequence[int]], spec: TextSpec) -> list[Array]:
    """Return the ids of each text [1, T], padded only if the tower attends to padding."""
    return [padded([text], len(text) if spec.trim else spec.context, spec.pad_id) for text in texts]


def _with_mean_squares(graph: Graph, tensors: Sequence[str], width: int) -> Graph:
    """Return a copy with one more output: the mean squares [width] of the tensors' channels."""
    output = ValueInfo(name=MEAN_SQUARES, dtype=np.float32, shape=(width,))
    watched = replace(
        graph, nodes=list(graph.nodes), weights=dict(graph.weights), extra_outputs=(output,)
    )
    squares = [_mean_square(watched, tensor) for tensor in tensors]
    watched.add("Concat", *squares, name=MEAN_SQUARES, axis=0)
    return watched


def _mean_square(graph: Graph, tokens: str) -> str:
    """Append the mean square of every channel over all tokens of a tensor [..., width]."""
    rows = graph.add("Flatten", tokens, axis=-1)
    axis = graph.constant([0], np.int64)
    return graph.add("ReduceMean", graph.add("Mul", rows, rows), axis, keepdims=0)
