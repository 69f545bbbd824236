"""Shape nodes: the nodes of an ONNX model that are computed from shapes of tensors alone."""

import math
from typing import Final

import onnx

SOURCES: Final = frozenset({"Shape", "Size"})
"""Operators of ONNX's own domain that read the shape of a tensor, and none of its values."""
LARGEST_CONSTANT: Final = 16
"""Values of an initializer that counts as a dimension or a handful of them; a table has more."""


def shape_nodes(model: onnx.ModelProto) -> tuple[str, ...]:
    """Return the names of the shape nodes of a model's graph, in its order.

    A shape node is a Shape or Size, or a node whose inputs all come from shape nodes, from Constant
    nodes or from initializers of at most `LARGEST_CONSTANT` values. Its values are few whatever it
    does, so onnxruntime runs it on the CPU on purpose. Nodes without a name are left out. Weights
    beside the file need not be loaded: of an initializer only the dimensions are read.
    """
    known = {
        tensor.name
        for tensor in model.graph.initializer
        if math.prod(tensor.dims) <= LARGEST_CONSTANT
    }
    found = []
    for node in model.graph.node:
        inputs = [name for name in node.input if name]
        is_constant = not node.domain and node.op_type == "Constant"
        is_source = not node.domain and node.op_type in SOURCES
        if is_constant or is_source or (inputs and known.issuperset(inputs)):
            known.update(node.output)
            if node.name and not is_constant:
                found.append(node.name)
    return tuple(found)
