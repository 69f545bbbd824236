"""The operators of bf16 towers as ONNX functions of standard operators.

The native operators compute the same, but for the order and the rounding of float32 sums.
"""

from typing import Final

import numpy as np
import onnx

from twinlens_export.blocks.functions.map_weight import MapWeight, add_unblocked, weights_of
from twinlens_export.blocks.functions.maps import MapFunctions
from twinlens_export.graph.graph import Function, GraphBuilder

ZERO: Final = 128
"""Subtracted from bytes: the rounding of a weight then counts for the contrast of a picture, not
for its brightness. -128 to 127 are exact in bfloat16."""
WEIGHTS: Final = weights_of("weights")
"""bfloat16 weights, packed."""

_FLOAT: Final = int(onnx.TensorProto.FLOAT)
_BF16: Final = int(onnx.TensorProto.BFLOAT16)


def bytes_linear() -> Function:
    """Define uint8 pixels less `ZERO` times a weight: they need no rounding."""
    only = WEIGHTS.only
    body = Function(
        name="Bf16BytesLinear", inputs=("x", *only.inputs), output="y", attributes=("inputs",)
    )
    values = body.add("Cast", "x", to=_FLOAT)
    lowered = body.add("Sub", values, body.constant(ZERO, np.float32))
    product = body.add("MatMul", lowered, _unpacked(body, only))
    body.add("Add", product, only.bias, name="y")
    return body


def _linear(body: GraphBuilder, tokens: str, weight: MapWeight, name: str) -> str:
    rounded = body.add("Cast", body.add("Cast", tokens, to=_BF16), to=_FLOAT)
    product = body.add("MatMul", rounded, _unpacked(body, weight))
    return body.add("Add", product, weight.bias, name=name)


def _unpacked(body: GraphBuilder, weight: MapWeight) -> str:
    """Unpack weights to float32 [in, out]."""
    weights, bias = weight.inputs
    widened = body.add("Cast", weights, to=_FLOAT)
    return add_unblocked(body, widened, weight.width, bias, perm=[1, 3, 0, 2])


MAPS: Final = MapFunctions(prefix="Bf16", weights=WEIGHTS, add_map=_linear)
