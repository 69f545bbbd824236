"""The pass to fp16."""

from functools import partial

import numpy as np
from onnx import TensorProto

from twinlens_export.blocks.fp16_fused import FusedBlocks
from twinlens_export.checkpoints.checkpoint import Checkpoint
from twinlens_export.graph.fp16 import CARRIERS, HALF_OPS, to_half
from twinlens_export.graph.graph import Graph, to_model
from twinlens_export.graph.prune import drop_unread
from twinlens_export.precision import in_precision
from twinlens_export.towers.tower_graphs import image_graph, text_graph

EXACT = {"ArgMax", "Cast", "Equal", "ReduceL2", "Div", "Shape"}


def graphs(checkpoint: Checkpoint) -> tuple[Graph, Graph]:
    """Both towers in fp16."""
    return (
        in_precision(partial(image_graph, checkpoint.image), "fp16"),
        in_precision(partial(text_graph, checkpoint.text), "fp16"),
    )


def test_weights_are_half_and_no_other_operator_sees_a_half(checkpoint: Checkpoint) -> None:
    for graph in graphs(checkpoint):
        kinds = {array.dtype for array in graph.weights.values()}
        assert kinds == {np.dtype(np.float16), np.dtype(np.int64)}
        others = {node.op for node in graph.nodes} - HALF_OPS - CARRIERS
        assert others <= {*EXACT, "Add"}
        for node in graph.nodes:
            if node.op in EXACT - {"Cast"}:
                read = {graph.weights[name].dtype for name in node.inputs if name in graph.weights}
                assert np.dtype(np.float16) not in read


def test_tokens_stay_half_from_the_first_layer_to_the_last(checkpoint: Checkpoint) -> None:
    for graph in graphs(checkpoint):
        casts = [node for node in graph.nodes if node.op == "Cast"]
        to_floats = [node for node in casts if node.attributes["to"] == TensorProto.FLOAT]
        to_halves = [node for node in casts if node.attributes["to"] == TensorProto.FLOAT16]
        assert [node.inputs[0] in {"projection", graph.input.name} or "Equal" in node.inputs[0]
                for node in to_floats] == [True] * len(to_floats)  # fmt: skip
        assert len(to_halves) == (1 if graph.input.name == "pixel_values" else 0)


def test_edges_stay_float32_and_ids_stay_integers(demo_shaped: Checkpoint) -> None:
    model = to_model(graphs(demo_shaped)[1]).graph
    assert model.output[0].type.tensor_type.elem_type == TensorProto.FLOAT
    assert model.input[0].type.tensor_type.elem_type == TensorProto.INT64
    halves = {
        node.output[0]
        for node in model.node
        if node.op_type == "Cast" and node.attribute[0].i == TensorProto.FLOAT16
    }
    assert not halves


def test_the_graph_given_stays_as_it_is(demo_shaped: Checkpoint) -> None:
    graph = drop_unread(image_graph(demo_shaped.image, FusedBlocks))
    nodes = list(graph.nodes)
    to_half(graph)
    assert graph.nodes == nodes
    assert all(array.dtype != np.float16 for array in graph.weights.values())
