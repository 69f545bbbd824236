"""The transformer layers of a tower, appended to its graph."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from twinlens_export.anatomy import Activation, Encoder, Layer, Linear, Norm
from twinlens_export.graph import Graph

ACTIVATIONS: Final[Mapping[Activation, Callable[[Graph, str], str]]] = {
    "quick_gelu": lambda graph, tokens: graph.add("QuickGelu", tokens, alpha=1.702),
    "gelu": lambda graph, tokens: graph.add("Gelu", tokens),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """The layers of one encoder; tokens are [B, T, width].

    A mask is added to the scores [B, heads, T, T]; an empty name is none.
    """

    graph: Graph
    encoder: Encoder

    def all_but_last(self, tokens: str, *, mask: str = "") -> str:
        """All layers but the last, on all tokens."""
        for number, layer in enumerate(self.encoder.layers[:-1]):
            tokens = self._whole(tokens, layer, f"layers.{number}", mask)
        return tokens

    def last(self, tokens: str, *, pooled: str, mask: str = "") -> str:
        """The last layer, of which one token is wanted: exact, and 4-7 % less to compute.

        Args:
            tokens: what the layer sees.
            pooled: the token [B, 1, width] among them that is wanted.
            mask: for that token's scores alone.
        """
        layer, name = self.encoder.layers[-1], f"layers.{len(self.encoder.layers) - 1}"
        norm = f"{name}.attention_norm"
        asking = add_norm(self.graph, pooled, layer.attention_norm, norm)
        query = add_linear(self.graph, asking, self._scaled(layer.query), f"{name}.query")
        # Asked twice: a lone row takes onnxruntime's matrix-vector path, whose sums depend on T.
        query = self.graph.add("Concat", query, query, axis=1)
        seen = add_norm(self.graph, tokens, layer.attention_norm, norm)
        both = add_linear(self.graph, seen, _joined(layer.key, layer.value), f"{name}.key_value")
        key, value = self._heads(both, parts=2)
        mixed = self._attention(self._heads(query, parts=1)[0], key, value, mask)
        return self._rest(pooled, add_first(self.graph, mixed), layer, name)

    def _whole(self, tokens: str, layer: Layer, name: str, mask: str) -> str:
        seen = add_norm(self.graph, tokens, layer.attention_norm, f"{name}.attention_norm")
        joined = _joined(self._scaled(layer.query), layer.key, layer.value)
        three = add_linear(self.graph, seen, joined, f"{name}.query_key_value")
        query, key, value = self._heads(three, parts=3)
        mixed = self._attention(query, key, value, mask)
        return self._rest(tokens, mixed, layer, name)

    def _heads(self, joined: str, *, parts: int) -> tuple[str, ...]:
        """Tokens [B, T, parts * width] as `parts` tensors [B, heads, T, width / heads]."""
        heads, width = self.encoder.heads, self.encoder.width
        shape = self.graph.constant([0, 0, parts * heads, width // heads], np.int64)
        apart = self.graph.add("Reshape", joined, shape)
        turned = self.graph.add("Transpose", apart, perm=[0, 2, 1, 3])
        return self.graph.split(turned, parts, axis=1)

    def _attention(self, query: str, key: str, value: str, mask: str) -> str:
        """Every query's mean of the values, weighted by its likeness to the keys."""
        scores = self.graph.add("FusedMatMul", query, key, transB=1)
        if mask:
            scores = self.graph.add("Add", scores, mask)
        shares = self.graph.add("Softmax", scores, axis=-1)
        answers = self.graph.add("MatMul", shares, value)
        together = self.graph.add("Transpose", answers, perm=[0, 2, 1, 3])
        shape = self.graph.constant([0, 0, self.encoder.width], np.int64)
        return self.graph.add("Reshape", together, shape)

    def _rest(self, tokens: str, mixed: str, layer: Layer, name: str) -> str:
        """What follows the attention: its output map, then the two linear maps."""
        graph = self.graph
        mixed = add_linear(graph, mixed, layer.mixed, f"{name}.mixed")
        tokens = graph.add("Add", tokens, mixed)
        seen = add_norm(graph, tokens, layer.mlp_norm, f"{name}.mlp_norm")
        wide = add_linear(graph, seen, layer.widen, f"{name}.widen")
        bent = ACTIVATIONS[self.encoder.activation](graph, wide)
        return graph.add("Add", tokens, add_linear(graph, bent, layer.narrow, f"{name}.narrow"))

    def _scaled(self, query: Linear) -> Linear:
        """The query with the scores' scale folded in."""
        scale = np.float64(self.encoder.width // self.encoder.heads) ** -0.5
        bias = None if query.bias is None else (query.bias * scale).astype(np.float32)
        return Linear(weight=(query.weight * scale).astype(np.float32), bias=bias)


def add_first(graph: Graph, tokens: str) -> str:
    """Append the choice of the first token: [B, 1, width]."""
    bounds = [graph.constant(bound, np.int64) for bound in ([0], [1], [1])]
    return graph.add("Slice", tokens, *bounds)


def add_norm(graph: Graph, tokens: str, norm: Norm, name: str) -> str:
    """Append a layer norm; its arrays are stored at its first use."""
    scale, bias = f"{name}.scale", f"{name}.bias"
    if scale not in graph.weights:
        graph.weight(scale, norm.scale)
        graph.weight(bias, norm.bias)
    return graph.add("LayerNormalization", tokens, scale, bias, axis=-1, epsilon=norm.epsilon)


def add_linear(graph: Graph, tokens: str, linear: Linear, name: str) -> str:
    """Append a product with a weight, whose node has the given name, and the bias."""
    weight = graph.weight(f"{name}.weight", np.ascontiguousarray(linear.weight.T))
    product = graph.add("MatMul", tokens, weight, name=name)
    if linear.bias is None:
        return product
    return graph.add("Add", product, graph.weight(f"{name}.bias", linear.bias))


def _joined(*linears: Linear) -> Linear:
    """Linear maps of one input as one map."""
    biases = [
        np.zeros(len(linear.weight), np.float32) if linear.bias is None else linear.bias
        for linear in linears
    ]
    return Linear(
        weight=np.concatenate([linear.weight for linear in linears]), bias=np.concatenate(biases)
    )
