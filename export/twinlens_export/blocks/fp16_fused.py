"""The blocks by the operators that CUDA has whole: attention, sum and norm, bias and activation.

The graph is float32 and runs on every provider; the step to fp16 (half.py) is made of it.
"""

# ruff: noqa: D102  the contracts are those of Blocks

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import onnx

from twinlens_export.architecture import F32, Activation, Linear, Norm
from twinlens_export.blocks.fp32 import ACTIVATIONS, FloatBlocks
from twinlens_export.blocks.interface import Mlp
from twinlens_export.graph.graph import Graph, Node

_INT32: Final = int(onnx.TensorProto.INT32)

WITH_BIAS: Final[Mapping[Activation, str]] = {"gelu": "BiasGelu", "gelu_tanh": "FastGelu"}
"""The activations that add a bias to their input by the way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Map:
    """A linear map as it stands in the graph."""

    tokens: str
    weight: str
    bias: str
    product: str
    """What it gives before the bias is added."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sum:
    """A residual sum as it stands in the graph, norm not yet known."""

    parts: tuple[str, str]
    """What is added, its bias left out, and what it is added to."""
    bias: str
    node: Node


@dataclass(frozen=True, slots=True)
class FusedBlocks:
    """See `Blocks`.

    A block is often known only when the next one is: attention takes in the map before it, a norm
    the sum before it. What stood in the graph for them is then read by nobody: `drop_unread`.
    """

    graph: Graph
    _maps: dict[str, _Map] = field(default_factory=dict)
    _sums: dict[str, _Sum] = field(default_factory=dict)
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
        whole = Node(
            op="SkipLayerNormalization",
            name=normed,
            inputs=inputs,
            outputs=(normed, "", "", tokens),
            attributes={"epsilon": norm.epsilon},
        )
        # Where the sum stood: nodes that read it may follow already.
        graph.nodes[graph.nodes.index(found.node)] = whole
        return normed

    def bytes_linear(self, numbers: str, linear: Linear, name: str) -> str:
        return self._floats.bytes_linear(numbers, linear, name)

    def linear(self, tokens: str, linear: Linear, name: str, *, norm: Norm | None = None) -> str:
        if norm is not None:
            tokens = self.norm(tokens, norm, f"{name}.norm")
        found = self._floats.linear(tokens, linear, name)
        self._maps[found] = _Map(
            tokens=tokens,
            weight=f"{name}.weight",
            bias="" if linear.bias is None else f"{name}.bias",
            product=name,
        )
        return found

    def linear_add(self, tokens: str, linear: Linear, residual: str, name: str) -> str:
        mapped = self.linear(tokens, linear, name)
        map_ = self._maps.pop(mapped)
        total = self.graph.add("Add", residual, mapped)
        node = self.graph.nodes[-1]
        self._sums[total] = _Sum(parts=(map_.product, residual), bias=map_.bias, node=node)
        return total

    def mlp_add(self, tokens: str, mlp: Mlp, name: str) -> str:
        wide = self.linear(tokens, mlp.widen, f"{name}.widen", norm=mlp.norm)
        return self.linear_add(
            self._bent(wide, mlp.activation), mlp.narrow, tokens, f"{name}.narrow"
        )

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

    def _attention(
        self, joined: str, heads: int, mask: str = "", *, unidirectional: int = 0
    ) -> str:
        """Attention and the map that makes queries, keys and values, which it takes in."""
        map_ = self._maps.pop(joined)
        inputs = (map_.tokens, map_.weight, map_.bias, *((mask,) if mask else ()))
        # The scale of the scores is in the weights of the queries already.
        return self.graph.add(
            "Attention", *inputs, num_heads=heads, unidirectional=unidirectional, scale=1.0
        )

    def _bent(self, wide: str, activation: Activation) -> str:
        map_ = self._maps.pop(wide)
        if activation not in WITH_BIAS or not map_.bias:
            return ACTIVATIONS[activation](self.graph, wide)
        return self.graph.add(WITH_BIAS[activation], map_.product, map_.bias)

    def _mask(self, counts: str) -> str:
        """The counts as attention wants them."""
        name = f"{counts}.int32"
        if not any(node.name == name for node in self.graph.nodes):
            self.graph.add("Cast", counts, name=name, to=_INT32)
        return name
