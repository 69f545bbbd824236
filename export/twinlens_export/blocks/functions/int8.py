"""The operators of int8 towers as ONNX functions of standard operators.

The native operators compute the same, but for the rounding of float32 sums.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from twinlens_export.blocks.functions.maps import MapFunctions
from twinlens_export.graph.graph import Function, GraphBuilder, Ref

ZERO: Final = 128
"""Zero point of uint8 tokens: onnxruntime's fastest products take unsigned tokens and signed
weights."""
LOWEST: Final = -0.17
"""Lower bound of quick_gelu (minimum -0.1637) and of both gelus (-0.1700)."""
TINIEST: Final = 1e-30
"""Lower bound of a token's largest magnitude, against a division of zeros by zero."""


@dataclass(frozen=True, slots=True)
class Weight:
    """Names of a quantised weight's parts inside a function."""

    prefix: str = ""
    width: str = "inputs"
    """The attribute with the width of its input."""

    @property
    def codes(self) -> str:
        """int8, packed."""
        return f"{self.prefix}codes"

    @property
    def scales(self) -> str:
        """float32 [out]."""
        return f"{self.prefix}scales"

    @property
    def bias(self) -> str:
        """float32 [out]."""
        return f"{self.prefix}bias"

    @property
    def inputs(self) -> tuple[str, ...]:
        """All parts, in the order of a call."""
        return self.codes, self.scales, self.bias


ONLY: Final = Weight()
FIRST: Final = Weight("widen.")
"""The first of two linear maps: fc1 of an MLP, the projection to queries, keys and values of an
attention. The prefix is part of the file format, as is the second's."""
SECOND: Final = Weight("narrow.", "middle")
"""The second of two: fc2 of an MLP, the output projection of an attention."""


@dataclass(frozen=True, slots=True)
class Quantization:
    """Quantisation to uint8 of x / max |x| of a token: round(x / max |x| / step) + zero."""

    step: float
    zero: int


SIGNED: Final = Quantization(1 / 127, ZERO)
UNSIGNED: Final = Quantization(1 / 255, 0)


def bytes_linear() -> Function:
    """Define uint8 pixels times a weight: nothing is left to quantise."""
    body = Function(
        name="BytesLinear", inputs=("x", *ONLY.inputs), output="y", attributes=("inputs",)
    )
    weight = _unpacked(body, ONLY)
    one, zero = body.constant(1, np.float32), body.constant(ZERO, np.uint8)
    inputs = ("x", weight, one, ONLY.scales, zero, "", ONLY.bias)
    body.add("MatMulIntegerToFloat", *inputs, name="y")
    return body


def _linear(body: GraphBuilder, tokens: str, weight: Weight, name: str) -> str:
    return body.add("Add", _product(body, tokens, weight), weight.bias, name=name)


def _linear_of_activated(body: GraphBuilder, activated: str, weight: Weight, name: str) -> str:
    # Never below LOWEST, so minus LOWEST it needs no sign, and all 255 steps lie in its range: a
    # quarter of the squared error. The bias holds the correction.
    raised = body.add("Sub", activated, body.constant(LOWEST, np.float32))
    product = _quantised_product(body, raised, _largest(body, raised), weight, UNSIGNED)
    return body.add("Add", product, weight.bias, name=name)


def _product(body: GraphBuilder, tokens: str, weight: Weight) -> str:
    largest = _largest(body, body.add("Abs", tokens))
    return _quantised_product(body, tokens, largest, weight, SIGNED)


def _largest(body: GraphBuilder, magnitudes: str) -> str:
    axis, tiniest = body.constant([-1], np.int64), body.constant(TINIEST, np.float32)
    return body.add("Max", body.add("ReduceMax", magnitudes, axis, keepdims=1), tiniest)


def _quantised_product(
    body: GraphBuilder, tokens: str, largest: str, weight: Weight, kind: Quantization
) -> str:
    """Divide every token by its largest magnitude, quantise it and multiply it by a weight."""
    shares = body.add("Div", tokens, largest)
    step, zero = body.constant(kind.step, np.float32), body.constant(kind.zero, np.uint8)
    codes = body.add("QuantizeLinear", shares, step, zero)
    inputs = (codes, _unpacked(body, weight), step, weight.scales, zero)
    return body.add("Mul", body.add("MatMulIntegerToFloat", *inputs), largest)


def _unpacked(body: GraphBuilder, weight: Weight) -> str:
    """Unpack codes to [in, out]: constant-folded, so done once when the file is opened."""
    transposed = body.add("Transpose", weight.codes, perm=[1, 2, 4, 0, 3])
    shape = body.add("Shape", transposed)
    inner = body.add("Slice", shape, body.constant([0], np.int64), body.constant([3], np.int64))
    rows = body.add("ReduceProd", inner, keepdims=1)
    minus = body.constant([-1], np.int64)
    matrix = body.add("Reshape", transposed, body.add("Concat", rows, minus, axis=0))
    inputs = body.add("Constant", value_int=Ref(weight.width))
    inputs = body.add("Unsqueeze", inputs, body.constant([0], np.int64))
    ends = body.add("Concat", inputs, body.add("Shape", weight.scales), axis=0)
    axes = body.constant([0, 1], np.int64)
    return body.add("Slice", matrix, body.constant([0, 0], np.int64), ends, axes)


MAPS: Final = MapFunctions(
    prefix="",
    only=ONLY,
    first=FIRST,
    second=SECOND,
    add_map=_linear,
    add_map_of_activated=_linear_of_activated,
)
