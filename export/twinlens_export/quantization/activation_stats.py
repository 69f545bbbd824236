"""Calibration: what a tower in float32 makes of samples, and what its products are fed."""

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
from twinlens.threads import usable_threads
from twinlens_export.architecture import F32
from twinlens_export.graph.graph import Array, Graph, ValueInfo, save
from twinlens_export.verification.verify import padded

AT_ONCE: Final = 8
SIZES: Final = "sizes"
NOTHING: Final[Mapping[str, Array]] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """What a tower in float32 made of samples."""

    rows: F32
    """Unit rows [N, D]."""
    sizes: Mapping[str, F32]
    """Root mean square of every channel [in] that a product with a weight was fed, by its name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A graph that can be run."""

    graph: Graph
    session: Session = field(repr=False)

    def __call__(self, batch: Array, more: Mapping[str, Array] = NOTHING) -> F32:
        """Unit rows [B, D] of one batch, and of further inputs where there are some."""
        return self.session.run({self.graph.input.name: batch, **more}, self.graph.output.name)


@contextmanager
def opened(graph: Graph, folder: Path) -> Iterator[Opened]:
    """A graph as a program; its files lie in the folder until the end."""
    with tempfile.TemporaryDirectory(dir=folder) as place:
        path = Path(place) / "graph.onnx"
        save(graph, path)
        session = Session(path, device=CPU, threads=usable_threads(), name=graph.name)
        yield Opened(graph=graph, session=session)


def rows_of(graph: Graph, batches: Sequence[Array], folder: Path) -> F32:
    """What a tower makes of samples: unit rows [N, D]."""
    with opened(graph, folder) as program:
        return np.concatenate([program(batch) for batch in batches])


def observed(graph: Graph, batches: Sequence[Array], folder: Path) -> Observed:
    """Run a tower in float32, once.

    Args:
        graph: the tower.
        batches: what to run it on; every token of them counts, so padding should not be there
            unless the tower sees it.
        folder: for files that are needed meanwhile.
    """
    products = {
        node.name: node
        for node in graph.nodes
        if node.op == "MatMul" and node.inputs[1] in graph.weights
    }
    widths = [len(graph.weights[node.inputs[1]]) for node in products.values()]
    port = ValueInfo(name=SIZES, dtype=np.float32, shape=(sum(widths),))
    watched = replace(
        graph, nodes=list(graph.nodes), weights=dict(graph.weights), more_outputs=(port,)
    )
    squares = [_mean_square(watched, node.inputs[0]) for node in products.values()]
    watched.add("Concat", *squares, name=SIZES, axis=0)
    rows, means = [], []
    with opened(watched, folder) as program:
        for batch in batches:
            feeds = {graph.input.name: batch}
            row, mean = program.session.run_bound(feeds, (graph.output.name, SIZES))
            rows.append(row)
            means.append(mean)
    # Of batches of any length: near enough a mean over all tokens.
    sizes = np.sqrt(np.mean(means, axis=0, dtype=np.float64)).astype(np.float32)
    parts = np.split(sizes, np.cumsum(widths)[:-1])
    return Observed(rows=np.concatenate(rows), sizes=dict(zip(products, parts, strict=True)))


def image_batches(images: NDArray[np.uint8]) -> list[Array]:
    """Pictures [N, S, S, 3] in batches."""
    return [images[start : start + AT_ONCE] for start in range(0, len(images), AT_ONCE)]


def text_batches(texts: Sequence[Sequence[int]], spec: TextSpec) -> list[Array]:
    """Ids of texts, each without padding, or with it where the tower sees it."""
    return [padded([text], len(text) if spec.trim else spec.context, spec.pad_id) for text in texts]


def _mean_square(graph: Graph, tokens: str) -> str:
    """Of every channel, over all tokens of a tensor [..., width]."""
    rows = graph.add("Flatten", tokens, axis=-1)
    axis = graph.constant([0], np.int64)
    return graph.add("ReduceMean", graph.add("Mul", rows, rows), axis, keepdims=0)
