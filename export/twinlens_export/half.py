"""The step to fp16: weights and products in half, all that needs range or exactness in float32."""

from typing import Final

import numpy as np
import onnx

from twinlens_export.graph import Graph, Node

HALF_OPS: Final = frozenset({"FusedMatMul", "Gelu", "MatMul", "QuickGelu"})
CARRIERS: Final = frozenset({"Concat", "Reshape", "Slice", "Split", "Transpose"})
"""They only move numbers, so they move halves as halves.

All else is computed in float32: the norms, the softmax, the sums that grow from layer to layer, the
choice of the end token (an id such as 49407 is not representable in half), the unit rows.
"""


def to_half(graph: Graph) -> Graph:
    """The graph with fp16 weights and products; float32 at the edges."""
    result = graph.emptied()
    halves: set[str] = set()
    for node in graph.nodes:
        if _is_half(node, graph):
            result.nodes.append(node.with_inputs(_as_halves(result, node, halves)))
            halves.update(node.outputs)
        elif node.op in CARRIERS and node.inputs[0] in halves:
            result.nodes.append(node)
            halves.update(node.outputs)
        else:
            inputs = [_as_float(result, name) if name in halves else name for name in node.inputs]
            result.nodes.append(node.with_inputs(inputs))
    return result


def _is_half(node: Node, graph: Graph) -> bool:
    if node.op == "Gather":  # the table of token embeddings
        return node.inputs[0] in graph.weights
    if node.op == "Add":  # a bias
        weights = [graph.weights[name] for name in node.inputs if name in graph.weights]
        return any(weight.ndim == 1 and weight.dtype == np.float32 for weight in weights)
    return node.op in HALF_OPS


def _as_halves(result: Graph, node: Node, halves: set[str]) -> list[str]:
    """The node's floating inputs as halves."""
    inputs = list(node.inputs)
    for place, name in enumerate(node.inputs):
        if name in result.weights:
            result.weights[name] = result.weights[name].astype(np.float16)
        elif name not in halves and name != result.input.name:
            inputs[place] = _cast(result, name, "half", onnx.TensorProto.FLOAT16)
    return inputs


def _as_float(result: Graph, name: str) -> str:
    return _cast(result, name, "float", onnx.TensorProto.FLOAT)


def _cast(result: Graph, name: str, kind: str, to: int) -> str:
    cast = f"{name}.{kind}"
    if not any(node.name == cast for node in result.nodes):
        result.add("Cast", name, name=cast, to=int(to))
    return cast
