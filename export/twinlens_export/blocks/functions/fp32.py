"""The operators of float32 towers as ONNX functions of standard operators.

For files that also run where the native operators do not serve. Weights are packed as in
`fp32.packed`, and unpacked once, when a file is opened.
"""

from typing import Final

import numpy as np
import onnx

from twinlens_export.blocks.functions.map_weight import MapWeight, weights_of
from twinlens_export.blocks.functions.maps import NORM, MapFunctions, add_norm
from twinlens_export.graph.graph import Function, GraphBuilder

WEIGHTS: Final = weights_of("weight")
"""float32 weights, packed."""

_FLOAT: Final = int(onnx.TensorProto.FLOAT)


def norm() -> Function:
    """Define the layer norm of tokens."""
    body = Function(
        name="FloatNorm", inputs=("x", *NORM), output="y", attributes=("inputs", "epsilon")
    )
    body.add("Identity", add_norm(body, "x"), name="y")
    return body


def unit_rows() -> Function:
    """Define rows [..., D] divided by their lengths."""
    body = Function(name="FloatUnitRows", inputs=("x",), output="y")
    length = body.add("ReduceL2", "x", body.constant([-1], np.int64), keepdims=1)
    body.add("Div", "x", length, name="y")
    return body


def bytes_linear() -> Function:
    """Define uint8 pixels times a weight."""
    only = WEIGHTS.only
    body = Function(
        name="FloatBytesLinear", inputs=("x", *only.inputs), output="y", attributes=("inputs",)
    )
    _linear(body, body.add("Cast", "x", to=_FLOAT), only, "y")
    return body


def _linear(body: GraphBuilder, tokens: str, weight: MapWeight, name: str) -> str:
    packed, bias = weight.inputs
    inputs_first = body.add("Transpose", packed, perm=[1, 0, 2])
    matrix = body.add("Reshape", inputs_first, body.constant([0, -1], np.int64))
    start, axis = body.constant([0], np.int64), body.constant([1], np.int64)
    exact = body.add("Slice", matrix, start, body.add("Shape", bias), axis)
    return body.add("Add", body.add("MatMul", tokens, exact), bias, name=name)


MAPS: Final = MapFunctions(prefix="Float", weights=WEIGHTS, add_map=_linear)
