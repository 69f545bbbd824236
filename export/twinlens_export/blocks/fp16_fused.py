"""The blocks in fused operators of CUDA: attention, residual sum and norm, bias and activation.

The graph is float32 and runs on every provider; graph/fp16.py converts it to fp16.
"""

# ruff: noqa: D102  the contracts are those of Blocks

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import onnx

from twinlens_export.architecture import F32, Activation, Linear, Norm
from twinlens_export.blocks.fp32 import ACTIVATIONS, QUICK, FloatBlocks
from twinlens_export.blocks.interface import Mlp
from twinlens_export.graph.graph import Graph, Node

_INT32: Final = int(onnx.TensorProto.INT32)

WITH_BIAS: Final[Mapping[Activation, str]] = {"gelu": "BiasGelu", "gelu_tanh": "FastGelu"}
"""Fused operators of a bias and an activation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _LinearNodes:
    """The nodes of a linear map, so that a later block can absorb it."""

    tokens: str
    weight: str
    bias: str
    product: str
    """Output before the bias is added."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _ResidualNodes:
    """The nodes of a residual sum, so that a later norm can absorb it."""

    parts: tuple[str, str]
    """The added linear map without its bias, and the residual."""
    bias: str
    node: Node


@dataclass(frozen=True, slots=True)
class FusedBlocks:
    """See `Blocks`.

    Fusion looks back: attention absorbs the linear map before it, a norm the sum before it. Their
    own nodes then have no reader; `drop_unread` removes them.
    """

    graph: Graph
    _linears: dict[str, _LinearNodes] = field(default_factory=dict)
    _sums: dict[str, _ResidualNodes] = field(default_factory=dict)
    _floats: FloatBlocks = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_floats", FloatBlocks(self.graph))

    def rows(self, table: F32, ids: str, name: str) -> str:
        return self._floats.rows(table, ids, name)

    def norm(self, tokens: str, norm: Norm, name: str) -> str:
        if tokens not in self._sums:
            return self._floats.norm(tokens, norm, name)
        found, graph = self._sums.pop(tokens), self.graph
        scale, bias = (
            graph.weight(f"{name}.scale", norm.scale),
            graph.weight(f"{name}.bias", norm.bias),
        )
        inputs = (*found.parts, scale, bias, *((found.bias,) if found.bias else ()))
        normed = f"{name}.of"
        fused = Node(
            op="SkipLayerNormalization",
            name=normed,
            inputs=inputs,
            outputs=(normed, "", "", tokens),
            attributes={"epsilon": norm.epsilon},
        )
        # In the place of the sum: nodes that read it may follow already.
        graph.nodes[graph.nodes.index(found.node)] = fused
        return normed

    def bytes_linear(self, values: str, linear: Linear, name: str) -> str:
        return self._floats.bytes_linear(values, linear, name)

    def linear(self, tokens: str, linear: Linear, name: str, *, norm: Norm | None = None) -> str:
        if norm is not None:
            tokens = self.norm(tokens, norm, f"{name}.norm")
        found = self._floats.linear(tokens, linear, name)
        self._linears[found] = _LinearNodes(
            tokens=tokens,
            weight=f"{name}.weight",
            bias="" if linear.bias is None else f"{name}.bias",
            product=name,
        )
        return found

    def linear_add(self, tokens: str, linear: Linear, residual: str, name: str) -> str:
        added = self.linear(tokens, linear, name)
        nodes = self._linears.pop(added)
        total = self.graph.add("Add", residual, added)
        self._sums[total] = _ResidualNodes(
            parts=(nodes.product, residual), bias=nodes.bias, node=self.graph.nodes[-1]
        )
        return total

    def mlp_add(self, tokens: str, mlp: Mlp, name: str) -> str:
        hidden = self.linear(tokens, mlp.fc1, f"{name}.widen", norm=mlp.norm)
        activated = self._activated(hidden, mlp.activation)
        return self.linear_add(activated, mlp.fc2, tokens, f"{name}.narrow")

    def self_attention(self, joined: str, heads: int, *, causal: bool) -> str:
        return self._attention(joined, heads, unidirectional=int(causal))

    def counted_attention(self, joined: str, heads: int, counts: str) -> str:
        return self._attention(joined, heads, self._mask(counts))

    def pooled_attention(self, query: str, joined: str, heads: int, counts: str = "") -> str:
        graph = self.graph
        key, value = graph.split(joined, 2, axis=2)
        mask = ("", self._mask(counts)) if counts else ()
        return graph.add("MultiHeadAttention", query, key, value, *mask, num_heads=heads, scale=1.0)

    def projection(self, rows: str, linear: Linear, name: str) -> str:
        return self._floats.projection(rows, linear, name)

    def unit_rows(self, rows: str, name: str) -> str:
        return self._floats.unit_rows(rows, name)

    def _attention(
        self, joined: str, heads: int, mask: str = "", *, unidirectional: int = 0
    ) -> str:
        """Append attention fused with the projection to queries, keys and values before it."""
        qkv = self._linears.pop(joined)
        inputs = (qkv.tokens, qkv.weight, qkv.bias, *((mask,) if mask else ()))
        # The scale of the scores is in the weights of the queries already.
        return self.graph.add(
            "Attention", *inputs, num_heads=heads, unidirectional=unidirectional, scale=1.0
        )

    def _activated(self, hidden: str, activation: Activation) -> str:
        fc1 = self._linears.pop(hidden)
        if activation == "quick_gelu":
            return self.graph.add("QuickGelu", hidden, alpha=QUICK)
        if activation not in WITH_BIAS or not fc1.bias:
            return ACTIVATIONS[activation](self.graph, hidden)
        return self.graph.add(WITH_BIAS[activation], fc1.product, fc1.bias)

    def _mask(self, counts: str) -> str:
        """Return the counts in the int32 of attention's mask, cast once."""
        name = f"{counts}.int32"
        if not any(node.name == name for node in self.graph.nodes):
            self.graph.add("Cast", counts, name=name, to=_INT32)
        return name
