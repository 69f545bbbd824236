"""The operators of int8 towers, defined by operators that every onnxruntime has.

What is written here is what the native operators compute, but for the rounding of float32 sums.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from twinlens_export.architecture import Activation, Norm
from twinlens_export.blocks.fp32 import (
    ACTIVATIONS,
    add_attention,
    add_causal_mask,
    add_count_mask,
    add_heads,
    add_pooled_attention,
)
from twinlens_export.graph.graph import Function, GraphBuilder, Ref

ZERO: Final = 128
"""The uint8 code of 0: onnxruntime's fastest products take unsigned tokens and signed weights."""
LOWEST: Final = -0.17
"""Below the least value of quick_gelu (-0.1637) and of both gelus (-0.1700)."""
TINIEST: Final = 1e-30
"""Stands in for the largest magnitude of a token that is all zeros."""


@dataclass(frozen=True, slots=True)
class Weight:
    """What a function calls the parts of a weight."""

    prefix: str = ""
    width: str = "inputs"
    """The attribute that says how wide its input is."""

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
        """All of them, in the order of a call."""
        return self.codes, self.scales, self.bias


ONLY: Final = Weight()
WIDEN: Final = Weight("widen.")
NARROW: Final = Weight("narrow.", "middle")


@dataclass(frozen=True, slots=True)
class Coding:
    """How the shares of a row's largest number become uint8: round(share / step) + zero."""

    step: float
    zero: int


SIGNED: Final = Coding(1 / 127, ZERO)
UNSIGNED: Final = Coding(1 / 255, 0)

NORM: Final = ("norm.scale", "norm.bias")
EPSILON: Final = ("epsilon",)
"""What the native operators want to know, and the function holds already."""


def bytes_linear() -> Function:
    """Pixels, which are integers already, times a weight."""
    body = Function(
        name="BytesLinear", inputs=("x", *ONLY.inputs), output="y", attributes=("inputs",)
    )
    weight = _unpacked(body, ONLY)
    one, zero = body.constant(1, np.float32), body.constant(ZERO, np.uint8)
    inputs = ("x", weight, one, ONLY.scales, zero, "", ONLY.bias)
    body.add("MatMulIntegerToFloat", *inputs, name="y")
    return body


def linear(norm: Norm | None) -> Function:
    """Tokens, behind a norm or not, times a weight."""
    body = Function(
        name="NormLinear" if norm else "Linear",
        inputs=("x", *(NORM if norm else ()), *ONLY.inputs),
        output="y",
        attributes=("inputs", *(EPSILON if norm else ())),
    )
    tokens = _normed(body, "x", norm)
    body.add("Add", _product(body, tokens, ONLY), ONLY.bias, name="y")
    return body


def linear_add() -> Function:
    """Tokens times a weight, added to others."""
    body = Function(
        name="LinearAdd", inputs=("x", *ONLY.inputs, "residual"), output="y", attributes=("inputs",)
    )
    product = body.add("Add", _product(body, "x", ONLY), ONLY.bias)
    body.add("Add", "residual", product, name="y")
    return body


def mlp_add(norm: Norm | None, activation: Activation) -> Function:
    """Tokens plus what two weights with an activation between them make of them."""
    body = Function(
        name="NormMlpAdd" if norm else "MlpAdd",
        inputs=("x", *(NORM if norm else ()), *WIDEN.inputs, *NARROW.inputs),
        output="y",
        attributes=("inputs", "middle", "activation", *(EPSILON if norm else ())),
    )
    product = _product(body, _normed(body, "x", norm), WIDEN)
    bent = ACTIVATIONS[activation](body, body.add("Add", product, WIDEN.bias))
    # Never below LOWEST, so raised by that much it needs no sign, and all 255 steps lie where the
    # numbers are: a quarter of the squared error. What was raised is taken off the bias.
    raised = body.add("Sub", bent, body.constant(LOWEST, np.float32))
    largest = _largest(body, raised)
    product = _coded_product(body, raised, largest, NARROW, UNSIGNED)
    body.add("Add", "x", body.add("Add", product, NARROW.bias), name="y")
    return body


def attention_add(heads: int, epsilon: float, *, causal: bool) -> Function:
    """Tokens plus what an attention makes of them: norm, queries, keys and values, and its map."""
    body = Function(
        name="NormCausalAttentionAdd" if causal else "NormSelfAttentionAdd",
        inputs=("x", *NORM, *WIDEN.inputs, *NARROW.inputs),
        output="y",
        attributes=("inputs", "middle", "heads", *EPSILON),
    )
    seen = body.add("LayerNormalization", "x", *NORM, axis=-1, epsilon=epsilon)
    joined = body.add("Add", _product(body, seen, WIDEN), WIDEN.bias)
    mask = add_causal_mask(body, joined) if causal else ""
    mixed = add_attention(body, add_heads(body, joined, heads, parts=3), mask)
    product = body.add("Add", _product(body, mixed, NARROW), NARROW.bias)
    body.add("Add", "x", product, name="y")
    return body


def self_attention(heads: int) -> Function:
    """See `Blocks.self_attention`."""
    body = _attention("SelfAttention", ("joined",))
    _named(body, add_attention(body, add_heads(body, "joined", heads, parts=3), ""))
    return body


def causal_attention(heads: int) -> Function:
    """See `Blocks.self_attention`."""
    body = _attention("CausalAttention", ("joined",))
    mask = add_causal_mask(body, "joined")
    _named(body, add_attention(body, add_heads(body, "joined", heads, parts=3), mask))
    return body


def counted_attention(heads: int) -> Function:
    """See `Blocks.counted_attention`."""
    body = _attention("CountedAttention", ("joined", "counts"))
    mask = add_count_mask(body, "joined", "counts")
    _named(body, add_attention(body, add_heads(body, "joined", heads, parts=3), mask))
    return body


def pooled_attention(heads: int) -> Function:
    """See `Blocks.pooled_attention`."""
    body = _attention("PooledAttention", ("query", "joined"))
    _named(body, add_pooled_attention(body, "query", "joined", heads, ""))
    return body


def counted_pooled_attention(heads: int) -> Function:
    """See `Blocks.pooled_attention`."""
    body = _attention("CountedPooledAttention", ("query", "joined", "counts"))
    mask = add_count_mask(body, "joined", "counts")
    _named(body, add_pooled_attention(body, "query", "joined", heads, mask))
    return body


def _attention(name: str, inputs: tuple[str, ...]) -> Function:
    return Function(name=name, inputs=inputs, output="y", attributes=("heads",))


def _named(body: Function, tensor: str) -> None:
    body.add("Identity", tensor, name=body.output)


def _normed(body: GraphBuilder, tokens: str, norm: Norm | None) -> str:
    if norm is None:
        return tokens
    return body.add("LayerNormalization", tokens, *NORM, axis=-1, epsilon=norm.epsilon)


def _product(body: GraphBuilder, tokens: str, weight: Weight) -> str:
    largest = _largest(body, body.add("Abs", tokens))
    return _coded_product(body, tokens, largest, weight, SIGNED)


def _largest(body: GraphBuilder, sizes: str) -> str:
    axis, tiniest = body.constant([-1], np.int64), body.constant(TINIEST, np.float32)
    return body.add("Max", body.add("ReduceMax", sizes, axis, keepdims=1), tiniest)


def _coded_product(
    body: GraphBuilder, tokens: str, largest: str, weight: Weight, coding: Coding
) -> str:
    """Every token is divided by its largest number, coded and multiplied."""
    shares = body.add("Div", tokens, largest)
    step, zero = body.constant(coding.step, np.float32), body.constant(coding.zero, np.uint8)
    codes = body.add("QuantizeLinear", shares, step, zero)
    inputs = (codes, _unpacked(body, weight), step, weight.scales, zero)
    return body.add("Mul", body.add("MatMulIntegerToFloat", *inputs), largest)


def _unpacked(body: GraphBuilder, weight: Weight) -> str:
    """Codes [in, out] of a packed weight; of constants, so done once when the file is opened."""
    turned = body.add("Transpose", weight.codes, perm=[1, 2, 4, 0, 3])
    shape = body.add("Shape", turned)
    inner = body.add("Slice", shape, body.constant([0], np.int64), body.constant([3], np.int64))
    rows = body.add("ReduceProd", inner, keepdims=1)
    minus = body.constant([-1], np.int64)
    matrix = body.add("Reshape", turned, body.add("Concat", rows, minus, axis=0))
    inputs = body.add("Constant", value_int=Ref(weight.width))
    inputs = body.add("Unsqueeze", inputs, body.constant([0], np.int64))
    ends = body.add("Concat", inputs, body.add("Shape", weight.scales), axis=0)
    axes = body.constant([0, 1], np.int64)
    return body.add("Slice", matrix, body.constant([0, 0], np.int64), ends, axes)
