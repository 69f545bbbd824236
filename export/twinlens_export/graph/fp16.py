"""The pass to fp16: weights, products and tokens in half; ids, positions, inputs and outputs not.

For the operators of `FusedBlocks`, and for those of traced towers, of which all that are not listed
here stay in float32. Inside of them CUDA computes the norms' sums and the softmax in
float32. Exact integers stay as they are (an id such as 49407 is not representable in half), and so
does the final L2 norm of the rows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

import numpy as np
import onnx

from twinlens_export.graph.graph import Graph, Node

HALF_OPS: Final = frozenset(
    {
        "Attention",
        "BatchNormalization",
        "BiasGelu",
        "Conv",
        "FastGelu",
        "Gelu",
        "Gemm",
        "LayerNormalization",
        "MatMul",
        "MultiHeadAttention",
        "QuickGelu",
        "SkipLayerNormalization",
    }
)
CARRIERS: Final = frozenset(
    {
        "AveragePool",
        "Concat",
        "Erf",
        "Expand",
        "Flatten",
        "Gather",
        "GatherND",
        "GlobalAveragePool",
        "HardSigmoid",
        "HardSwish",
        "MaxPool",
        "Neg",
        "Pad",
        "ReduceMean",
        "Relu",
        "Reshape",
        "Sigmoid",
        "Slice",
        "Softmax",
        "Split",
        "Squeeze",
        "Tanh",
        "Tile",
        "Transpose",
        "Unsqueeze",
    }
)
"""Operators that move values, or bound or average them; of halves they make halves."""
MEASURES: Final = frozenset({"Shape", "Size"})
"""Operators that read no values: they take halves as they are."""
SUMS: Final = frozenset({"Add", "Clip", "Concat", "Div", "Mul", "Sub"})
"""Operators that make halves if all their inputs are."""
INTEGERS: Final[Mapping[str, int]] = {"Attention": 3, "MultiHeadAttention": 4}
"""Position of the integer input, the lengths of the rows."""

_HALF, _FLOAT = int(onnx.TensorProto.FLOAT16), int(onnx.TensorProto.FLOAT)


def to_half(graph: Graph) -> Graph:
    """Convert weights, products and tokens to fp16; the output stays float32."""
    result, halves, floats = graph.emptied(), set[str](), list[int]()
    readers = _readers(graph)
    for node in graph.nodes:
        if node.op == "Cast" and readers.get(node.name, set()) <= HALF_OPS:
            if node.attributes["to"] == _FLOAT:  # bytes: half has room for 256 levels
                node = replace(node, attributes={"to": _HALF})  # noqa: PLW2901
                halves.add(node.name)
            result.nodes.append(node)
        elif node.op in MEASURES:
            result.nodes.append(node)
        elif _is_half(node, graph, halves):
            result.nodes.append(node.with_inputs(_as_halves(result, node, halves)))
            halves.update(filter(None, node.outputs))
        else:
            inputs = [_as_float(result, name) if name in halves else name for name in node.inputs]
            result.nodes.append(node.with_inputs(inputs))
            floats.append(len(result.nodes) - 1)
    _restore(result, graph, floats)
    return result


def _restore(result: Graph, graph: Graph, floats: Sequence[int]) -> None:
    """Let the nodes in float32 read their weights as they were; others may have them in half."""
    for place in floats:
        node = result.nodes[place]
        inputs = list(node.inputs)
        for position, name in enumerate(inputs):
            if name in graph.weights and graph.weights[name].dtype != result.weights[name].dtype:
                inputs[position] = f"{name}.float"
                result.weights.setdefault(inputs[position], graph.weights[name])
        result.nodes[place] = node.with_inputs(inputs)


def _readers(graph: Graph) -> dict[str, set[str]]:
    """Return the operators that read each tensor."""
    found: dict[str, set[str]] = {}
    for node in graph.nodes:
        for name in node.inputs:
            found.setdefault(name, set()).add(node.op)
    return found


def _is_half(node: Node, graph: Graph, halves: set[str]) -> bool:
    if node.op in HALF_OPS:
        return True
    first = node.inputs[0]
    if node.op in CARRIERS - SUMS:
        return first in halves or (first in graph.weights and _is_float(graph, first))
    if node.op in SUMS:
        return any(name in halves for name in node.inputs) and all(
            not name or name in halves or (name in graph.weights and _is_float(graph, name))
            for name in node.inputs
        )
    return False


def _is_float(graph: Graph, name: str) -> bool:
    return graph.weights[name].dtype == np.float32


def _as_halves(result: Graph, node: Node, halves: set[str]) -> list[str]:
    """Convert the node's floating inputs to halves."""
    inputs = list(node.inputs)
    carries, integer = node.op in CARRIERS, INTEGERS.get(node.op)
    for position, name in enumerate(node.inputs):
        if name in result.weights:
            if result.weights[name].dtype == np.float32:
                result.weights[name] = result.weights[name].astype(np.float16)
        elif name and name not in halves and position != integer and not carries:
            inputs[position] = _cast(result, name, "half", _HALF)
    return inputs


def _as_float(result: Graph, name: str) -> str:
    return _cast(result, name, "float", _FLOAT)


def _cast(result: Graph, name: str, kind: str, to: int) -> str:
    cast = f"{name}.{kind}"
    if not any(node.name == cast for node in result.nodes):
        result.add("Cast", name, name=cast, to=to)
    return cast
