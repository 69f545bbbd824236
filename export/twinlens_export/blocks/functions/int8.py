"""The operators of int8 towers as ONNX functions of standard operators.

The native operators compute the same, but for the rounding of float32 sums.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import onnx

from twinlens_export.blocks.functions.map_weight import MapWeight, add_unblocked, weights_of
from twinlens_export.blocks.functions.maps import MapFunctions
from twinlens_export.graph.graph import Function, GraphBuilder

ZERO: Final = 128
"""Zero point of uint8 tokens."""
MIDDLE: Final = 128
"""Unsigned code of a weight of zero: its zero point. A signed code with its sign bit turned is its
unsigned one."""
LOWEST: Final = -0.17
"""Lower bound of quick_gelu (minimum -0.1637) and of both gelus (-0.1700)."""
TINIEST: Final = 1e-30
"""Lower bound of a token's largest magnitude, against a division of zeros by zero."""
WEIGHTS: Final = weights_of("codes", "scales")
"""int8 codes, packed; float32 scales [out]."""
_FLOAT, _UINT8 = int(onnx.TensorProto.FLOAT), int(onnx.TensorProto.UINT8)


@dataclass(frozen=True, slots=True)
class Quantization:
    """Quantisation to uint8 of x / max |x| of a token: round(x / max |x| / step) + zero."""

    step: float
    zero: int


SIGNED: Final = Quantization(1 / 127, ZERO)
UNSIGNED: Final = Quantization(1 / 255, 0)


def bytes_linear() -> Function:
    """Define uint8 pixels times a weight: nothing is left to quantise."""
    only = WEIGHTS.only
    body = Function(
        name="BytesLinear", inputs=("x", *only.inputs), output="y", attributes=("inputs",)
    )
    _, scales, bias = only.inputs
    product = _integer_product(body, "x", only, ZERO)
    body.add("Add", body.add("Mul", product, scales), bias, name="y")
    return body


def _linear(body: GraphBuilder, tokens: str, weight: MapWeight, name: str) -> str:
    return body.add("Add", _product(body, tokens, weight), weight.bias, name=name)


def _linear_of_activated(body: GraphBuilder, activated: str, weight: MapWeight, name: str) -> str:
    # Never below LOWEST, so minus LOWEST it needs no sign, and all 255 steps lie in its range: a
    # quarter of the squared error. The bias holds the correction.
    raised = body.add("Sub", activated, body.constant(LOWEST, np.float32))
    product = _quantised_product(body, raised, _largest(body, raised), weight, UNSIGNED)
    return body.add("Add", product, weight.bias, name=name)


def _product(body: GraphBuilder, tokens: str, weight: MapWeight) -> str:
    largest = _largest(body, body.add("Abs", tokens))
    return _quantised_product(body, tokens, largest, weight, SIGNED)


def _largest(body: GraphBuilder, magnitudes: str) -> str:
    axis, tiniest = body.constant([-1], np.int64), body.constant(TINIEST, np.float32)
    return body.add("Max", body.add("ReduceMax", magnitudes, axis, keepdims=1), tiniest)


def _quantised_product(
    body: GraphBuilder, tokens: str, largest: str, weight: MapWeight, kind: Quantization
) -> str:
    """Divide every token by its largest magnitude, quantise it and multiply it by a weight."""
    shares = body.add("Div", tokens, largest)
    step, zero = body.constant(kind.step, np.float32), body.constant(kind.zero, np.uint8)
    codes = body.add("QuantizeLinear", shares, step, zero)
    _, scales, _ = weight.inputs
    product = _integer_product(body, codes, weight, kind.zero)
    return body.add("Mul", body.add("Mul", product, body.add("Mul", step, scales)), largest)


def _integer_product(body: GraphBuilder, codes: str, weight: MapWeight, zero: int) -> str:
    """Multiply codes, less their zero point, by those of a weight: float32 [.., out], unscaled.

    The weight becomes unsigned. Of signed weights onnxruntime's sums saturate on x86 without VNNI,
    unless the session asks for wider products, and who else opens a file does not: images of the
    demo model fell to a cosine of 0.948 there, texts to 0.994 (EPYC, AVX2).
    """
    packed, scales, _ = weight.inputs
    signed = add_unblocked(body, packed, weight.width, scales, perm=[1, 2, 4, 0, 3])
    middle = body.constant(MIDDLE, np.uint8)
    unsigned = body.add("BitwiseXor", body.add("Cast", signed, to=_UINT8), middle)
    sums = body.add("MatMulInteger", codes, unsigned, body.constant(zero, np.uint8), middle)
    return body.add("Cast", sums, to=_FLOAT)


MAPS: Final = MapFunctions(
    prefix="", weights=WEIGHTS, add_map=_linear, add_map_of_activated=_linear_of_activated
)
