"""Linear maps, MLPs and attention blocks as ONNX functions, over weights stored in any way."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

from twinlens_export.architecture import Activation
from twinlens_export.blocks.fp32 import ACTIVATIONS, add_attention, add_causal_mask, add_heads
from twinlens_export.blocks.functions.map_weight import MapWeight, MapWeights
from twinlens_export.graph.graph import Function, GraphBuilder, Ref

NORM: Final = ("norm.scale", "norm.bias")
EPSILON: Final = ("epsilon",)


AddMap: TypeAlias = Callable[[GraphBuilder, str, MapWeight, str], str]
"""Appends a map of tokens, of that output's name or of any if it is empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MapFunctions:
    """Functions of maps whose weights are stored in one way."""

    prefix: str
    """Of the operators' names, as "Float"."""
    weights: MapWeights
    add_map: AddMap
    add_map_of_activated: AddMap | None = None
    """Appends a map of the output of an activation; None: as any other."""

    def linear(self, *, normed: bool) -> Function:
        """Define tokens times a weight, after a norm if there is one."""
        body = Function(
            name=f"{self.prefix}NormLinear" if normed else f"{self.prefix}Linear",
            inputs=("x", *(NORM if normed else ()), *self.weights.only.inputs),
            output="y",
            attributes=("inputs", *(EPSILON if normed else ())),
        )
        self.add_map(body, add_norm(body, "x") if normed else "x", self.weights.only, "y")
        return body

    def linear_add(self) -> Function:
        """Define tokens times a weight plus a residual."""
        body = Function(
            name=f"{self.prefix}LinearAdd",
            inputs=("x", *self.weights.only.inputs, "residual"),
            output="y",
            attributes=("inputs",),
        )
        body.add("Add", "residual", self.add_map(body, "x", self.weights.only, ""), name="y")
        return body

    def mlp_add(self, activation: Activation, *, normed: bool) -> Function:
        """Define x + fc2(activation(fc1(norm(x)))), the norm if there is one."""
        body = Function(
            name=f"{self.prefix}NormMlpAdd" if normed else f"{self.prefix}MlpAdd",
            inputs=(
                "x",
                *(NORM if normed else ()),
                *self.weights.first.inputs,
                *self.weights.second.inputs,
            ),
            output="y",
            attributes=("inputs", "middle", "activation", *(EPSILON if normed else ())),
        )
        hidden = self.add_map(body, add_norm(body, "x") if normed else "x", self.weights.first, "")
        activated = ACTIVATIONS[activation](body, hidden)
        add_map = self.add_map_of_activated or self.add_map
        body.add("Add", "x", add_map(body, activated, self.weights.second, ""), name="y")
        return body

    def attention_add(self, heads: int, *, causal: bool) -> Function:
        """Define x + out_proj(attention(qkv(norm(x)))): an attention block of a pre-norm layer."""
        body = Function(
            name=f"{self.prefix}Norm{'Causal' if causal else 'Self'}AttentionAdd",
            inputs=("x", *NORM, *self.weights.first.inputs, *self.weights.second.inputs),
            output="y",
            attributes=("inputs", "middle", "heads", *EPSILON),
        )
        joined = self.add_map(body, add_norm(body, "x"), self.weights.first, "")
        mask = add_causal_mask(body, joined) if causal else ""
        attended = add_attention(body, add_heads(body, joined, heads, parts=3), mask)
        body.add("Add", "x", self.add_map(body, attended, self.weights.second, ""), name="y")
        return body


def add_norm(body: GraphBuilder, tokens: str) -> str:
    """Append the layer norm of a function's inputs `NORM` and its attribute epsilon."""
    return body.add(
        "LayerNormalization", tokens, *NORM, axis=-1, epsilon=Ref("epsilon", kind="float")
    )
