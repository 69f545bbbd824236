"""The step to fp16."""

import numpy as np
from onnx import TensorProto

from twinlens_export import verify
from twinlens_export.checkpoint import Checkpoint
from twinlens_export.graph import to_model
from twinlens_export.half import to_half
from twinlens_export.towers import image_graph, text_graph

LEAST_COSINE = verify.TOLERANCES["fp16"].worst_cosine


def test_products_are_half_and_norms_are_not(checkpoint: Checkpoint) -> None:
    for graph in (image_graph(checkpoint.image), text_graph(checkpoint.text)):
        half = to_half(graph)
        for node in half.nodes:
            dtypes = {half.weights[name].dtype for name in node.inputs if name in half.weights}
            if node.op == "MatMul":
                assert dtypes <= {np.dtype(np.float16)}
            if node.op in {"LayerNormalization", "Slice", "ReduceL2"}:
                assert np.dtype(np.float16) not in dtypes


def test_edges_stay_float32_and_ids_stay_integers(demo_shaped: Checkpoint) -> None:
    model = to_model(to_half(text_graph(demo_shaped.text))).graph
    assert model.output[0].type.tensor_type.elem_type == TensorProto.FLOAT
    assert model.input[0].type.tensor_type.elem_type == TensorProto.INT64
    casts_of_ids = {node.output[0] for node in model.node if "input_ids" in node.input} & {
        node.input[0] for node in model.node if node.op_type == "Cast"
    }
    for node in model.node:
        if node.op_type == "Cast" and node.input[0] in casts_of_ids:
            assert node.attribute[0].i == TensorProto.FLOAT or node.input[0] == "words"


def test_the_graph_given_stays_as_it_is(demo_shaped: Checkpoint) -> None:
    graph = image_graph(demo_shaped.image)
    nodes = list(graph.nodes)
    to_half(graph)
    assert graph.nodes == nodes
    assert all(array.dtype != np.float16 for array in graph.weights.values())
