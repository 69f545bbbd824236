"""A graph of one block in sessions: by the native operators, on 1 and 2 threads, and without."""

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import numpy as np
import pytest
from numpy.typing import DTypeLike, NDArray
from random_layers import linear, norm

from twinlens.ort.device import CPU
from twinlens.ort.session import Session
from twinlens_export.architecture import Activation
from twinlens_export.blocks.interface import Blocks, Mlp
from twinlens_export.graph.graph import Graph, ValueInfo, save
from twinlens_kernels import operators

Array = NDArray[Any]
Run = Callable[[Array], Array]
OwnBlocks = TypeVar("OwnBlocks", bound=Blocks)


def graph_of(
    blocks: Callable[[Graph], OwnBlocks],
    width: int,
    seed: int,
    make: Callable[[OwnBlocks, np.random.Generator], str],
    dtype: DTypeLike = np.float32,
) -> Graph:
    """Return a graph from x [batch, tokens, width] of `dtype` to y, which `make` adds."""
    graph = Graph(
        name="block",
        input=ValueInfo(name="x", dtype=dtype, shape=("batch", "tokens", width)),
        output=ValueInfo(name="y", dtype=np.float32, shape=("batch", "left", "wide")),
    )
    graph.add("Identity", make(blocks(graph), np.random.default_rng(seed)), name="y")
    return graph


def opened(path: Path, threads: int) -> Run:
    """Open a graph of one block on the CPU."""
    session = Session(path, device=CPU, threads=threads, name=path.stem)
    return lambda x: session.run({"x": x}, "y")


def served(graph: Graph) -> tuple[Run, Run, Run]:
    """Open a graph on 1 and on 2 threads, and by the ONNX functions in place of the operators."""
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        path = Path(folder) / "block.onnx"
        save(graph, path)
        one, two = opened(path, 1), opened(path, 2)
        patch.setattr(operators, "path", lambda: None)
        return one, two, opened(path, 1)


def of_kind(
    kind: str, width: int, outputs: int, *, activation: Activation = "gelu", bias: bool = True
) -> Callable[[Blocks, np.random.Generator], str]:
    """Return a function that adds one block to a graph: its kind may begin with "norm"."""

    def make(blocks: Blocks, random: np.random.Generator) -> str:
        if kind == "norm":
            return blocks.norm("x", norm(random, width), "it")
        before = norm(random, width) if kind.startswith("norm") else None
        if kind.endswith("mlp"):
            fc1, fc2 = linear(random, width, outputs), linear(random, outputs, width)
            mlp = Mlp(norm=before, fc1=fc1, activation=activation, fc2=fc2)
            return blocks.mlp_add("x", mlp, "it")
        if kind == "unit rows":
            return blocks.unit_rows("x", "it")
        if kind == "bytes":
            return blocks.bytes_linear("x", linear(random, width, outputs), "it")
        if kind == "linear add":
            return blocks.linear_add("x", linear(random, width, width, bias=bias), "x", "it")
        assert kind.endswith("linear")
        return blocks.linear("x", linear(random, width, outputs, bias=bias), "it", norm=before)

    return make


def require_batches_alike(one: Run, two: Run, x: Array) -> Array:
    """Assert that 2 threads, and each item alone, give the same to the bit; return all rows."""
    rows = one(x)
    np.testing.assert_array_equal(two(x), rows)
    for item in range(len(x)):
        np.testing.assert_array_equal(one(x[item : item + 1])[0], rows[item])
    return rows


def require_tokens_apart(run: Run, x: Array) -> None:
    """Assert that a token [1, 7] that is no number gives NaN, and changes no other."""
    whole = run(x)
    for bad in (np.nan, np.inf):
        spoilt = x.copy()
        spoilt[0, 7, 3] = bad
        rows = run(spoilt)
        assert np.isnan(rows[0, 7]).any()
        np.testing.assert_array_equal(np.delete(rows, 7, axis=1), np.delete(whole, 7, axis=1))
