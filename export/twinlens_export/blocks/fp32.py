"""The blocks in float32, in ONNX's own operators, which every runtime has.

Those of a quick_gelu and of scores with a transpose are fused by onnxruntime when it opens a file.
"""

# ruff: noqa: D102  the contracts are those of Blocks

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from twinlens_export.architecture import F32, Activation, Linear, Norm
from twinlens_export.blocks.interface import Mlp
from twinlens_export.graph.graph import Graph, GraphBuilder

QUICK: Final = 1.702
"""Factor of quick_gelu: x * sigmoid(1.702 x)."""
LAST_TWO: Final = (0, 1, 3, 2)
"""Permutation that transposes the matrices of a tensor of rank 4."""


def add_quick_gelu(graph: GraphBuilder, tokens: str) -> str:
    """Append x * sigmoid(1.702 x)."""
    scaled = graph.add("Mul", tokens, graph.constant(QUICK, np.float32))
    return graph.add("Mul", tokens, graph.add("Sigmoid", scaled))


ACTIVATIONS: Final[Mapping[Activation, Callable[[GraphBuilder, str], str]]] = {
    "quick_gelu": add_quick_gelu,
    "gelu": lambda graph, tokens: graph.add("Gelu", tokens),
    "gelu_tanh": lambda graph, tokens: graph.add("Gelu", tokens, approximate="tanh"),
}

TOGETHER: Final = 32
"""Outputs of a packed weight that lie together."""


@dataclass(frozen=True, slots=True)
class FloatBlocks:
    """See `Blocks`."""

    graph: Graph
    packed: bool = False
    """True if weights are stored as the native operators read them, and unpacked by nodes that
    every runtime computes once, when it opens the file."""
    _masks: dict[str, str] = field(default_factory=dict)
    """Names of masks already in the graph, by their kind: all layers share one."""

    def rows(self, table: F32, ids: str, name: str) -> str:
        return self.graph.add("Gather", self.graph.weight(f"{name}.table", table), ids, name=name)

    def norm(self, tokens: str, norm: Norm, name: str) -> str:
        scale, bias = f"{name}.scale", f"{name}.bias"
        if scale not in self.graph.weights:
            self.graph.weight(scale, norm.scale)
            self.graph.weight(bias, norm.bias)
        inputs = (tokens, scale, bias)
        return self.graph.add("LayerNormalization", *inputs, axis=-1, epsilon=norm.epsilon)

    def bytes_linear(self, values: str, linear: Linear, name: str) -> str:
        return self.linear(self.graph.add("Cast", values, to=1), linear, name)

    def linear(self, tokens: str, linear: Linear, name: str, *, norm: Norm | None = None) -> str:
        graph = self.graph
        if norm is not None:
            tokens = self.norm(tokens, norm, f"{name}.norm")
        product = graph.add("MatMul", tokens, self._weight(linear, name), name=name)
        if linear.bias is None:
            return product
        return graph.add("Add", product, graph.weight(f"{name}.bias", linear.bias))

    def linear_add(self, tokens: str, linear: Linear, residual: str, name: str) -> str:
        return self.graph.add("Add", residual, self.linear(tokens, linear, name))

    def mlp_add(self, tokens: str, mlp: Mlp, name: str) -> str:
        hidden = self.linear(tokens, mlp.fc1, f"{name}.widen", norm=mlp.norm)
        activated = ACTIVATIONS[mlp.activation](self.graph, hidden)
        return self.linear_add(activated, mlp.fc2, tokens, f"{name}.narrow")

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

    def unit_rows(self, rows: str, name: str) -> str:
        one = self.graph.constant([1], np.int64)
        length = self.graph.add("ReduceL2", rows, one, keepdims=1)
        return self.graph.add("Div", rows, length, name=name)

    def _weight(self, linear: Linear, name: str) -> str:
        """Store a weight [out, in], and return the tensor [in, out]."""
        graph, outputs = self.graph, len(linear.weight)
        if not self.packed:
            # A view: laid out when it is written.
            return graph.weight(f"{name}.weight", linear.weight.T)
        weight = graph.weight(f"{name}.weight", packed(linear.weight))
        inputs_first = graph.add("Transpose", weight, perm=[1, 0, 2])
        matrix = graph.add("Reshape", inputs_first, graph.constant([0, -1], np.int64))
        if outputs % TOGETHER == 0:
            return matrix
        bounds = [graph.constant([bound], np.int64) for bound in (0, outputs, 1)]
        return graph.add("Slice", matrix, *bounds)

    def _causal_mask(self, tokens: str) -> str:
        if "later" not in self._masks:
            self._masks["later"] = add_causal_mask(self.graph, tokens)
        return self._masks["later"]

    def _count_mask(self, tokens: str, counts: str) -> str:
        if counts not in self._masks:
            self._masks[counts] = add_count_mask(self.graph, tokens, counts)
        return self._masks[counts]


def packed(weight: F32) -> F32:
    """Pack a weight [out, in] in the kernels' layout [out / 32, in, 32], padded with zeros.

    A vector of outputs is contiguous in the file, and so are the vectors of the next inputs:
    nothing is moved when the file is opened.
    """
    outputs, inputs = weight.shape
    if outputs % TOGETHER:
        weight = np.concatenate([weight, np.zeros((-outputs % TOGETHER, inputs), np.float32)])
    # A view where nothing is padded: laid out when it is written.
    return weight.reshape(-1, TOGETHER, inputs).transpose(0, 2, 1)


def add_heads(graph: GraphBuilder, joined: str, heads: int, *, parts: int) -> tuple[str, ...]:
    """Split tokens [B, T, parts * width] into `parts` tensors [B, heads, T, width / heads]."""
    shape = graph.constant([0, 0, parts * heads, -1], np.int64)
    split = graph.add("Reshape", joined, shape)
    transposed = graph.add("Transpose", split, perm=[0, 2, 1, 3])
    return graph.split(transposed, parts, axis=1)


def add_attention(graph: GraphBuilder, parts: tuple[str, ...], mask: str) -> str:
    """Append softmax(query @ key.T + mask) @ value, heads concatenated: [B, T, width].

    Args:
        graph: the graph under construction.
        parts: queries, keys and values, each [B, heads, T, width / heads].
        mask: added to the scores [B, heads, T, T]; an empty name is none.
    """
    query, key, value = parts
    scores = graph.add("MatMul", query, graph.add("Transpose", key, perm=LAST_TWO))
    if mask:
        scores = graph.add("Add", scores, mask)
    weights = graph.add("Softmax", scores, axis=-1)
    heads = graph.add("MatMul", weights, value)
    transposed = graph.add("Transpose", heads, perm=[0, 2, 1, 3])
    return graph.add("Reshape", transposed, graph.constant([0, 0, -1], np.int64))


def add_pooled_attention(
    graph: GraphBuilder, query: str, joined: str, heads: int, mask: str
) -> str:
    """Append attention [B, 1, width] of one query to keys and values [B, T, 2 * width]."""
    # The query twice: a lone row takes onnxruntime's matrix-vector path, whose sums depend on T.
    twice = graph.add("Concat", query, query, axis=1)
    (queries,) = add_heads(graph, twice, heads, parts=1)
    key, value = add_heads(graph, joined, heads, parts=2)
    return add_first(graph, add_attention(graph, (queries, key, value), mask))


def add_first(graph: GraphBuilder, tokens: str) -> str:
    """Append a slice of the first token: [B, 1, width]."""
    bounds = [graph.constant(bound, np.int64) for bound in ([0], [1], [1])]
    return graph.add("Slice", tokens, *bounds)


def add_causal_mask(graph: GraphBuilder, tokens: str) -> str:
    """Append a causal mask [T, T]: 0 up to and including the token, -infinity after it."""
    positions = _positions(graph, tokens)
    column = graph.add("Unsqueeze", positions, graph.constant([1], np.int64))
    return _mask(graph, graph.add("LessOrEqual", positions, column))


def add_count_mask(graph: GraphBuilder, tokens: str, counts: str) -> str:
    """Append a padding mask [B, 1, 1, T]: 0 for a row's first `counts` tokens, else -infinity."""
    column = graph.add("Unsqueeze", counts, graph.constant([1, 2, 3], np.int64))
    return _mask(graph, graph.add("Less", _positions(graph, tokens), column))


def _positions(graph: GraphBuilder, tokens: str) -> str:
    """Append the positions 0, 1, ... T - 1."""
    length = graph.add("Shape", tokens, start=1, end=2)
    length = graph.add("Squeeze", length)
    start, step = graph.constant(0, np.int64), graph.constant(1, np.int64)
    return graph.add("Range", start, length, step)


def _mask(graph: GraphBuilder, visible: str) -> str:
    zero, minus_infinity = graph.constant(0, np.float32), graph.constant(-np.inf, np.float32)
    return graph.add("Where", visible, zero, minus_infinity)
