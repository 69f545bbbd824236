"""The blocks in float32, by operators that every execution provider has."""

# ruff: noqa: D102  the contracts are those of Blocks

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from twinlens_export.architecture import F32, Activation, Linear, Norm
from twinlens_export.blocks.interface import Mlp
from twinlens_export.graph.graph import Graph, GraphBuilder

ACTIVATIONS: Final[Mapping[Activation, Callable[[GraphBuilder, str], str]]] = {
    "quick_gelu": lambda graph, tokens: graph.add("QuickGelu", tokens, alpha=1.702),
    "gelu": lambda graph, tokens: graph.add("Gelu", tokens),
    "gelu_tanh": lambda graph, tokens: graph.add("Gelu", tokens, approximate="tanh"),
}


@dataclass(frozen=True, slots=True)
class FloatBlocks:
    """See `Blocks`."""

    graph: Graph
    _masks: dict[str, str] = field(default_factory=dict)
    """The masks that the graph has already, by what they hide: all layers share one."""

    def rows(self, table: F32, ids: str, name: str) -> str:
        return self.graph.add("Gather", self.graph.weight(f"{name}.table", table), ids, name=name)

    def norm(self, tokens: str, norm: Norm, name: str) -> str:
        scale, bias = f"{name}.scale", f"{name}.bias"
        if scale not in self.graph.weights:
            self.graph.weight(scale, norm.scale)
            self.graph.weight(bias, norm.bias)
        inputs = (tokens, scale, bias)
        return self.graph.add("LayerNormalization", *inputs, axis=-1, epsilon=norm.epsilon)

    def bytes_linear(self, numbers: str, linear: Linear, name: str) -> str:
        return self.linear(self.graph.add("Cast", numbers, to=1), linear, name)

    def linear(self, tokens: str, linear: Linear, name: str, *, norm: Norm | None = None) -> str:
        graph = self.graph
        if norm is not None:
            tokens = self.norm(tokens, norm, f"{name}.norm")
        weight = graph.weight(f"{name}.weight", np.ascontiguousarray(linear.weight.T))
        product = graph.add("MatMul", tokens, weight, name=name)
        if linear.bias is None:
            return product
        return graph.add("Add", product, graph.weight(f"{name}.bias", linear.bias))

    def linear_add(self, tokens: str, linear: Linear, residual: str, name: str) -> str:
        return self.graph.add("Add", residual, self.linear(tokens, linear, name))

    def mlp_add(self, tokens: str, mlp: Mlp, name: str) -> str:
        wide = self.linear(tokens, mlp.widen, f"{name}.widen", norm=mlp.norm)
        bent = ACTIVATIONS[mlp.activation](self.graph, wide)
        return self.linear_add(bent, mlp.narrow, tokens, f"{name}.narrow")

    def self_attention(self, joined: str, heads: int, *, causal: bool) -> str:
        mask = self._causal_mask(joined) if causal else ""
        return add_attention(self.graph, add_heads(self.graph, joined, heads, parts=3), mask)

    def counted_attention(self, joined: str, heads: int, counts: str) -> str:
        mask = self._count_mask(joined, counts)
        return add_attention(self.graph, add_heads(self.graph, joined, heads, parts=3), mask)

    def pooled_attention(self, query: str, joined: str, heads: int, counts: str = "") -> str:
        mask = self._count_mask(joined, counts) if counts else ""
        return add_pooled_attention(self.graph, query, joined, heads, mask)

    def projection(self, rows: str, linear: Linear, name: str) -> str:
        return self.linear(rows, linear, name)

    def _causal_mask(self, tokens: str) -> str:
        if "later" not in self._masks:
            self._masks["later"] = add_causal_mask(self.graph, tokens)
        return self._masks["later"]

    def _count_mask(self, tokens: str, counts: str) -> str:
        if counts not in self._masks:
            self._masks[counts] = add_count_mask(self.graph, tokens, counts)
        return self._masks[counts]


def add_heads(graph: GraphBuilder, joined: str, heads: int, *, parts: int) -> tuple[str, ...]:
    """Tokens [B, T, parts * width] as `parts` tensors [B, heads, T, width / heads]."""
    shape = graph.constant([0, 0, parts * heads, -1], np.int64)
    apart = graph.add("Reshape", joined, shape)
    turned = graph.add("Transpose", apart, perm=[0, 2, 1, 3])
    return graph.split(turned, parts, axis=1)


def add_attention(graph: GraphBuilder, parts: tuple[str, ...], mask: str) -> str:
    """Every query's mean of the values, weighted by its likeness to the keys: [B, T, width].

    `parts` are the queries, the keys and the values, each [B, heads, T, width / heads].

    The mask is added to the scores [B, heads, T, T]; an empty name is none.
    """
    query, key, value = parts
    scores = graph.add("FusedMatMul", query, key, transB=1)
    if mask:
        scores = graph.add("Add", scores, mask)
    shares = graph.add("Softmax", scores, axis=-1)
    answers = graph.add("MatMul", shares, value)
    together = graph.add("Transpose", answers, perm=[0, 2, 1, 3])
    return graph.add("Reshape", together, graph.constant([0, 0, -1], np.int64))


def add_pooled_attention(
    graph: GraphBuilder, query: str, joined: str, heads: int, mask: str
) -> str:
    """The answer [B, 1, width] to one query of keys and values [B, T, 2 * width]."""
    # Asked twice: a lone row takes onnxruntime's matrix-vector path, whose sums depend on T.
    twice = graph.add("Concat", query, query, axis=1)
    (asking,) = add_heads(graph, twice, heads, parts=1)
    key, value = add_heads(graph, joined, heads, parts=2)
    return add_first(graph, add_attention(graph, (asking, key, value), mask))


def add_first(graph: GraphBuilder, tokens: str) -> str:
    """The first token: [B, 1, width]."""
    bounds = [graph.constant(bound, np.int64) for bound in ([0], [1], [1])]
    return graph.add("Slice", tokens, *bounds)


def add_causal_mask(graph: GraphBuilder, tokens: str) -> str:
    """[T, T]: 0 where a token may look, minus infinity behind it."""
    places = _places(graph, tokens)
    column = graph.add("Unsqueeze", places, graph.constant([1], np.int64))
    return _mask(graph, graph.add("LessOrEqual", places, column))


def add_count_mask(graph: GraphBuilder, tokens: str, counts: str) -> str:
    """[B, 1, 1, T]: 0 for the first tokens of each row, minus infinity for the others."""
    column = graph.add("Unsqueeze", counts, graph.constant([1, 2, 3], np.int64))
    return _mask(graph, graph.add("Less", _places(graph, tokens), column))


def _places(graph: GraphBuilder, tokens: str) -> str:
    """0, 1, ... T - 1."""
    length = graph.add("Shape", tokens, start=1, end=2)
    length = graph.add("Squeeze", length)
    start, step = graph.constant(0, np.int64), graph.constant(1, np.int64)
    return graph.add("Range", start, length, step)


def _mask(graph: GraphBuilder, seen: str) -> str:
    nothing, never = graph.constant(0, np.float32), graph.constant(-np.inf, np.float32)
    return graph.add("Where", seen, nothing, never)
