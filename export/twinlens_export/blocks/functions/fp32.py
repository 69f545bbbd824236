"""The operators of float32 towers as ONNX functions of standard operators.

For files that also run where the native operators do not serve. Weights are packed as in
`fp32.packed`, and unpacked once, when a file is opened.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import onnx

from twinlens_export.blocks.functions.maps import NORM, MapFunctions, add_norm
from twinlens_export.graph.graph import Function, GraphBuilder

_FLOAT: Final = int(onnx.TensorProto.FLOAT)


@dataclass(frozen=True, slots=True)
class FloatWeight:
    """Names of a packed weight's parts inside a function."""

    prefix: str = ""

    @property
    def inputs(self) -> tuple[str, str]:
        """The weight, packed, and the bias [out], in the order of a call."""
        return f"{self.prefix}weight", f"{self.prefix}bias"


ONLY: Final = FloatWeight()
FIRST: Final = FloatWeight("widen.")
"""The first of the two linear maps of an MLP. The prefix is part of the file format, as is the
second's."""
SECOND: Final = FloatWeight("narrow.")


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
    body = Function(
        name="FloatBytesLinear", inputs=("x", *ONLY.inputs), output="y", attributes=("inputs",)
    )
    _linear(body, body.add("Cast", "x", to=_FLOAT), ONLY, "y")
    return body


def _linear(body: GraphBuilder, tokens: str, weight: FloatWeight, name: str) -> str:
    packed, bias = weight.inputs
    inputs_first = body.add("Transpose", packed, perm=[1, 0, 2])
    matrix = body.add("Reshape", inputs_first, body.constant([0, -1], np.int64))
    start, axis = body.constant([0], np.int64), body.constant([1], np.int64)
    exact = body.add("Slice", matrix, start, body.add("Shape", bias), axis)
    return body.add("Add", body.add("MatMul", tokens, exact), bias, name=name)


MAPS: Final = MapFunctions(prefix="Float", only=ONLY, first=FIRST, second=SECOND, add_map=_linear)
