"""The nodes that may run on the CPU although a tower runs on another device."""

from functools import partial
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper, parser

from twinlens.bundle.bundle import open_bundle
from twinlens.loading import folder_of
from twinlens_export.checkpoints.checkpoint import Checkpoint
from twinlens_export.graph import graph as graphs
from twinlens_export.graph.graph import save, to_model
from twinlens_export.graph.shape_nodes import shape_nodes
from twinlens_export.precision import RECIPES, in_precision
from twinlens_export.towers.tower_graphs import image_graph, text_graph

PROGRAM = """
    <ir_version: 8, opset_import: ["": 17, "other": 1]>
    places (int64[B, T] ids, float[B, W] rows) => (float[B, T, W] words, int64[N] more)
    <int64[1] zero = {0}>
    {
        length = Shape<start = 1, end = 2>(ids)
        kept = Slice(table, zero, length, zero)
        scalar = Squeeze(length)
        one = Constant<value_int = 1>()
        first = Constant<value_int = 0>()
        steps = Range(first, scalar, one)
        column = Unsqueeze(steps, zero)
        found = Gather(table, column)
        count = Size(rows)
        known = Add(count, zero)
        mixed = Add(known, ids)
        clipped = Clip(known, , zero)
        foreign = other.Shape(ids)
        drawn = RandomUniform<shape = [2]>()
        more = Concat<axis = 0>(length, length)
        words = Identity(kept)
    }
"""


def read_program() -> onnx.ModelProto:
    """A table of 40 rows and 2 columns, and the nodes above, each called like its output."""
    model = parser.parse_model(PROGRAM)
    table = numpy_helper.from_array(np.zeros((40, 2), dtype=np.float32), "table")
    model.graph.initializer.append(table)
    for node in model.graph.node:
        node.name = node.output[0]
    return model


def test_nodes_that_compute_with_shapes_are_told_from_those_that_read_a_table() -> None:
    assert shape_nodes(read_program()) == (
        "length", "scalar", "steps", "column", "count", "known", "clipped", "more"
    )  # fmt: skip


def test_a_node_without_a_name_is_not_named_and_those_behind_it_are() -> None:
    model = read_program()
    for node in model.graph.node:
        if node.name in ("length", "column"):
            node.name = ""
    assert shape_nodes(model) == ("scalar", "steps", "count", "known", "clipped", "more")


@pytest.mark.parametrize(("rows", "small"), [(16, True), (17, False)])
def test_a_table_is_an_initializer_of_more_than_sixteen_values(rows: int, small: bool) -> None:
    model = read_program()
    del model.graph.initializer[-1]
    table = numpy_helper.from_array(np.zeros(rows, dtype=np.float32), "table")
    model.graph.initializer.append(table)
    assert ({"kept", "found", "words"} <= {*shape_nodes(model)}) is small


MASK = ["Shape", "Squeeze", "Range", "Unsqueeze", "LessOrEqual", "Where"]
"""A causal mask in plain operators; the fused attention of the other precisions has its own."""
ROWS = ["Shape", "Squeeze", "Range"]
OPERATORS = {
    "fp32": ["Shape", *MASK, *ROWS],
    "fp16": ["Shape"],
    "bf16": ["Shape"],
    "int8": ["Shape"],
}


@pytest.mark.parametrize("precision", RECIPES)
def test_the_shape_nodes_of_a_text_tower_are_its_length_and_its_mask(
    precision: str, demo_shaped: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(graphs, "LARGEST_EMBEDDED_BYTES", 1000)
    images = in_precision(partial(image_graph, demo_shaped.image), precision)
    assert shape_nodes(to_model(images)) == ()
    graph = in_precision(partial(text_graph, demo_shaped.text), precision)
    model = to_model(graph)
    names = shape_nodes(model)
    found = [node.op_type for node in model.graph.node if node.name in names]
    assert found == OPERATORS[precision]
    assert len(save(graph, tmp_path / "text.onnx")) == 2
    assert shape_nodes(onnx.load(tmp_path / "text.onnx", load_external_data=False)) == names


def test_the_manifest_of_the_demo_names_the_shape_nodes_of_its_towers() -> None:
    bundle = open_bundle(folder_of("demo"))
    for towers in bundle.manifest.towers.values():
        for file in (towers.image, towers.text):
            assert file.shape_nodes == shape_nodes(onnx.load(bundle.path(file.file))), file.file
