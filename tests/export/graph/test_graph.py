"""The graph and its ONNX file."""

from pathlib import Path

import numpy as np
import pytest

from twinlens.ort.device import CPU
from twinlens.ort.session import Session
from twinlens_export.checkpoints.checkpoint import Checkpoint
from twinlens_export.graph import graph as graphs
from twinlens_export.graph.graph import Graph, ValueInfo, save
from twinlens_export.towers.tower_graphs import image_graph


def doubling() -> Graph:
    graph = Graph(
        name="doubling",
        input=ValueInfo(name="x", dtype=np.float32, shape=("batch", 64)),
        output=ValueInfo(name="y", dtype=np.float32, shape=("batch", 64)),
    )
    graph.weight("twice", 2 * np.eye(64, dtype=np.float32))
    graph.add("MatMul", "x", "twice", name="y")
    return graph


def test_a_constant_is_stored_once() -> None:
    graph = doubling()
    assert graph.constant([0], np.int64) == graph.constant([0], np.int64)
    assert graph.constant([0], np.int64) != graph.constant([0], np.int32)
    assert len(graph.weights) == 3


def test_the_same_checkpoint_gives_the_same_bytes(demo_shaped: Checkpoint, tmp_path: Path) -> None:
    for name in ("a.onnx", "b.onnx"):
        save(image_graph(demo_shaped.image), tmp_path / name)
    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes()


def test_many_weights_lie_beside_the_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(graphs, "LARGEST_EMBEDDED_BYTES", 1000)
    path = tmp_path / "large.onnx"
    file, weights = save(doubling(), path)
    assert file == path
    assert file.stat().st_size < 1000
    assert weights.stat().st_size >= 64 * 64 * 4
    x = np.ones((3, 64), np.float32)
    session = Session(path, device=CPU, threads=1, name="large")
    np.testing.assert_array_equal(session.run({"x": x}, "y"), 2 * x)
