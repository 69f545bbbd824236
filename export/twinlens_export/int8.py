"""The step to int8: integer products of quantised weights and tokens.

A weight has one scale an output channel, a token one scale of its own (its largest magnitude): so
an embedding depends neither on its batch mates nor on padding. The integer sums are exact, in
whatever order a processor adds them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import onnx
from numpy.typing import NDArray

from twinlens_export.anatomy import F32
from twinlens_export.graph import Graph, Node

_FLOAT: Final = int(onnx.TensorProto.FLOAT)

LEVELS: Final = 127
"""Codes run from -127 to 127, so that both signs have as many."""
ZERO: Final = 128
"""The uint8 code of 0: onnxruntime's fastest products take unsigned tokens and signed weights."""
LOWEST: Final = -0.17
"""Below the least value of quick_gelu (-0.1637) and of gelu (-0.16998)."""
KEPT: Final = frozenset({"projection"})
"""Left in float32: computed once an item, 1 % of the weights and an eighth of the error."""
TINIEST: Final = 1e-30
"""Stands in for the largest magnitude of a token that is all zeros."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Coding:
    """How numbers become uint8: round(x / step) + zero."""

    step: float
    zero: int


def to_int8(graph: Graph) -> Graph:
    """The graph with int8 weights, and integer products wherever a weight is multiplied."""
    producers = {output: node for node in graph.nodes for output in node.outputs}
    result = graph.emptied()
    for node in graph.nodes:
        if node.op == "Gather" and node.inputs[0] in graph.weights:
            _add_table(result, node)
        elif node.op != "MatMul" or node.inputs[1] not in graph.weights or node.name in KEPT:
            result.nodes.append(node)
        else:
            source = producers[node.inputs[0]]
            _PRODUCTS.get(source.op, _add_product)(result, node, source)
    return _without_unread(result)


def _add_product(graph: Graph, node: Node, _: Node) -> None:
    """Tokens times a weight: every token is divided by its largest magnitude and coded."""
    sizes = graph.add("Abs", node.inputs[0], name=f"{node.name}.sizes")
    _add_coded_product(graph, node, node.inputs[0], sizes, Coding(step=1 / LEVELS, zero=ZERO))


def _add_bent_product(graph: Graph, node: Node, _: Node) -> None:
    """What an activation gave, times a weight.

    It is never below LOWEST, so raised by that much it needs no sign, and all 255 steps lie where
    the numbers are: a quarter of the squared error. What was raised is taken off the bias.
    """
    lowest = graph.constant(LOWEST, np.float32)
    raised = graph.add("Sub", node.inputs[0], lowest, name=f"{node.name}.raised")
    bias = graph.weights[f"{node.name}.bias"]
    lift = LOWEST * graph.weights[node.inputs[1]].sum(axis=0, dtype=np.float64)
    graph.weights[f"{node.name}.bias"] = (bias + lift).astype(np.float32)
    _add_coded_product(graph, node, raised, raised, Coding(step=1 / 255, zero=0))


def _add_coded_product(graph: Graph, node: Node, tokens: str, sizes: str, coding: Coding) -> None:
    name = node.name
    axis, tiniest = graph.constant([-1], np.int64), graph.constant(TINIEST, np.float32)
    largest = graph.add("ReduceMax", sizes, axis, name=f"{name}.largest", keepdims=1)
    largest = graph.add("Max", largest, tiniest, name=f"{name}.row_scale")
    shares = graph.add("Div", tokens, largest, name=f"{name}.shares")
    step, zero = graph.constant(coding.step, np.float32), graph.constant(coding.zero, np.uint8)
    codes = graph.add("QuantizeLinear", shares, step, zero, name=f"{name}.codes")
    weight, scale = _add_codes(graph, node.inputs[1])
    inputs = (codes, weight, step, scale, zero)
    product = graph.add("MatMulIntegerToFloat", *inputs, name=f"{name}.product")
    graph.add("Mul", product, largest, name=name)


def _add_byte_product(graph: Graph, node: Node, source: Node) -> None:
    """Raw pixels, which are integers already, times a weight; `source` casts them to floats.

    x W = (x - 128) W + 128 sum(W): only the first term sees the coded weight, so what coding
    does to a grey image is corrected exactly.
    """
    bias = ZERO * graph.weights[node.inputs[1]].sum(axis=0, dtype=np.float64)
    grey = graph.weight(f"{node.name}.grey", bias.astype(np.float32))
    weight, scale = _add_codes(graph, node.inputs[1])
    one, zero = graph.constant(1, np.float32), graph.constant(ZERO, np.uint8)
    inputs = (source.inputs[0], weight, one, scale, zero, "", grey)
    graph.add("MatMulIntegerToFloat", *inputs, name=node.name)


def _add_table(graph: Graph, node: Node) -> None:
    """Rows of a table, each coded with a scale of its own."""
    table, ids = node.inputs
    rows, scales = _coded(graph.weights.pop(table), axis=1)
    graph.weight(f"{table}.codes", rows)
    graph.weight(f"{table}.scales", scales)
    codes = graph.add("Gather", f"{table}.codes", ids, name=f"{node.name}.codes")
    scale = graph.add("Gather", f"{table}.scales", ids, name=f"{node.name}.scales")
    numbers = graph.add("Cast", codes, name=f"{node.name}.numbers", to=_FLOAT)
    graph.add("Mul", numbers, scale, name=node.name)


def _add_codes(graph: Graph, weight: str) -> tuple[str, str]:
    """Put the codes [in, out] and scales [out] in the weight's place."""
    codes, scales = _coded(graph.weights.pop(weight), axis=0)
    return (
        graph.weight(f"{weight}.codes", codes),
        graph.weight(f"{weight}.scales", scales.reshape(-1)),
    )


def _coded(weight: F32, *, axis: int) -> tuple[NDArray[np.int8], F32]:
    """Codes of a matrix and the scales along an axis, codes * scales being nearly the matrix."""
    largest = np.abs(weight).max(axis=axis, keepdims=True)
    scales = (np.where(largest > 0, largest, 1) / np.float32(LEVELS)).astype(np.float32)
    return np.rint(weight / scales).clip(-LEVELS, LEVELS).astype(np.int8), scales


_PRODUCTS: Final[Mapping[str, Callable[[Graph, Node, Node], None]]] = {
    "Cast": _add_byte_product,
    "Gelu": _add_bent_product,
    "QuickGelu": _add_bent_product,
}
"""By the operation that the product's tokens come from."""


def _without_unread(graph: Graph) -> Graph:
    """Drop the nodes whose outputs nobody reads: what the rewriting went around."""
    read = {name for node in graph.nodes for name in node.inputs} | {graph.output.name}
    kept = [node for node in graph.nodes if read.intersection(node.outputs)]
    lean = graph.emptied()
    lean.nodes.extend(kept)
    return lean
