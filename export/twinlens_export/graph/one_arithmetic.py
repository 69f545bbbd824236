"""Graphs whose sums are all taken by native operators, which order them alike on each processor."""

from typing import Final

import onnx

from twinlens_export.graph.graph import FLOAT_OPS, Graph, Node

ROUNDED_ONCE: Final = frozenset({"Add", "Div", "Mul", "Sub"})
"""Operators of IEEE arithmetic on single numbers, which leaves no choice."""
EXACT: Final = frozenset(
    {
        "ArgMax",
        "Cast",
        "Concat",
        "Equal",
        "Expand",
        "Gather",
        "GatherND",
        "Identity",
        "Not",
        "Pad",
        "Reshape",
        "Shape",
        "Slice",
        "Split",
        "Squeeze",
        "Transpose",
        "Unsqueeze",
    }
)
"""Operators that move numbers, compare them, or convert integers to floats."""


def has_one_arithmetic(graph: Graph) -> bool:
    """Return True if a row by the native operators is the same to the bit on every processor.

    Operators that are not listed here count as left to onnxruntime, whose order of a sum depends on
    the processor.
    """
    counts = {
        node.name
        for node in graph.nodes
        if node.op == "Cast" and node.attributes["to"] == onnx.TensorProto.INT64
    }

    def is_ordered(node: Node) -> bool:
        if node.op == "ReduceSum":  # of integers, whose sums are exact
            return node.inputs[0] in counts
        return node.op in known

    known = FLOAT_OPS | ROUNDED_ONCE | EXACT | graph.functions.keys()
    return all(is_ordered(node) for node in graph.nodes)
