"""What the runtime reads of a program without onnx, beside what onnx reads of it."""

from functools import partial

import numpy as np
import pytest
from onnx import numpy_helper, parser

from twinlens.ort.cuda.shape_nodes import _graph, shape_nodes
from twinlens_export.checkpoints.checkpoint import Checkpoint
from twinlens_export.graph.graph import to_model
from twinlens_export.precision import RECIPES, in_precision
from twinlens_export.towers.tower_graphs import image_graph, text_graph

PROGRAM = """
    <ir_version: 8, opset_import: ["": 17]>
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
        more = Concat<axis = 0>(length, length)
        words = Identity(kept)
    }
"""


def test_nodes_that_reckon_with_sides_are_told_from_those_that_read_a_table() -> None:
    model = parser.parse_model(PROGRAM)
    table = numpy_helper.from_array(np.zeros((40, 2), dtype=np.float32), "table")
    model.graph.initializer.append(table)
    for node in model.graph.node:
        node.name = node.output[0]
    assert shape_nodes(model.SerializeToString()) == {
        "length", "scalar", "steps", "column", "count", "known", "more"
    }  # fmt: skip


@pytest.mark.parametrize("precision", RECIPES)
def test_a_program_is_read_as_onnx_reads_it(precision: str, demo_shaped: Checkpoint) -> None:
    builds = (partial(image_graph, demo_shaped.image), partial(text_graph, demo_shaped.text))
    for build in builds:
        model = to_model(in_precision(build, precision))
        nodes, small = _graph(model.SerializeToString())
        assert [(node.name, node.inputs, node.outputs) for node in nodes] == [
            (node.name, tuple(node.input), tuple(node.output)) for node in model.graph.node
        ]
        assert small == {
            tensor.name for tensor in model.graph.initializer if np.prod(tensor.dims) <= 16
        }
