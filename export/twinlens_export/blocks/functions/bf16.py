"""The operators of bf16 towers as ONNX functions of standard operators.

The native operators compute the same, but for the order and the rounding of float32 sums.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import onnx

from twinlens_export.blocks.functions.maps import MapFunctions
from twinlens_export.graph.graph import Function, GraphBuilder, Ref

ZERO: Final = 128
"""Subtracted from bytes: the rounding of a weight then counts for the contrast of a picture, not
for its brightness. -128 to 127 are exact in bfloat16."""

_FLOAT: Final = int(onnx.TensorProto.FLOAT)
_BF16: Final = int(onnx.TensorProto.BFLOAT16)


@dataclass(frozen=True, slots=True)
class Weight:
    """Names of a weight's parts inside a function."""

    prefix: str = ""
    width: str = "inputs"
    """The attribute with the width of its input."""

    @property
    def weights(self) -> str:
        """bfloat16, packed."""
        return f"{self.prefix}weights"

    @property
    def bias(self) -> str:
        """float32 [out]."""
        return f"{self.prefix}bias"

    @property
    def inputs(self) -> tuple[str, ...]:
        """Both parts, in the order of a call."""
        return self.weights, self.bias


ONLY: Final = Weight()
FIRST: Final = Weight("widen.")
"""The first of two linear maps: fc1 of an MLP, the projection to queries, keys and values of an
attention. The prefix is part of the file format, as is the second's."""
SECOND: Final = Weight("narrow.", "middle")
"""The second of two: fc2 of an MLP, the output projection of an attention."""


def bytes_linear() -> Function:
    """Define uint8 pixels less `ZERO` times a weight: they need no rounding."""
    body = Function(
        name="Bf16BytesLinear", inputs=("x", *ONLY.inputs), output="y", attributes=("inputs",)
    )
    values = body.add("Cast", "x", to=_FLOAT)
    lowered = body.add("Sub", values, body.constant(ZERO, np.float32))
    product = body.add("MatMul", lowered, _unpacked(body, ONLY))
    body.add("Add", product, ONLY.bias, name="y")
    return body


def _linear(body: GraphBuilder, tokens: str, weight: Weight, name: str) -> str:
    rounded = body.add("Cast", body.add("Cast", tokens, to=_BF16), to=_FLOAT)
    product = body.add("MatMul", rounded, _unpacked(body, weight))
    return body.add("Add", product, weight.bias, name=name)


def _unpacked(body: GraphBuilder, weight: Weight) -> str:
    """Unpack weights to float32 [in, out]: constant-folded, so once when the file is opened."""
    widened = body.add("Cast", weight.weights, to=_FLOAT)
    transposed = body.add("Transpose", widened, perm=[1, 3, 0, 2])
    shape = body.add("Shape", transposed)
    inner = body.add("Slice", shape, body.constant([0], np.int64), body.constant([2], np.int64))
    rows = body.add("ReduceProd", inner, keepdims=1)
    sides = body.add("Concat", rows, body.constant([-1], np.int64), axis=0)
    matrix = body.add("Reshape", transposed, sides)
    inputs = body.add("Constant", value_int=Ref(weight.width))
    inputs = body.add("Unsqueeze", inputs, body.constant([0], np.int64))
    ends = body.add("Concat", inputs, body.add("Shape", weight.bias), axis=0)
    axes = body.constant([0, 1], np.int64)
    return body.add("Slice", matrix, body.constant([0, 0], np.int64), ends, axes)


MAPS: Final = MapFunctions(prefix="Bf16", only=ONLY, first=FIRST, second=SECOND, add_map=_linear)
