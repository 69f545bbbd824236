"""The pass to standard operators: every operator of Microsoft's becomes some of ONNX's own.

Definitions: "Contrib Operators" in the documentation of ONNX Runtime.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
import onnx
from numpy.typing import DTypeLike

from twinlens_export.blocks.fp32 import LAST_TWO, add_causal_mask, add_count_mask, add_heads
from twinlens_export.graph.graph import MICROSOFT_OPS, Graph, GraphBuilder, Node
from twinlens_export.graph.names import names_in

_FLOAT, _HALF = int(onnx.TensorProto.FLOAT), int(onnx.TensorProto.FLOAT16)


@dataclass(slots=True, kw_only=True)
class _Rewriting:
    """The new graph, and the kind of its floats."""

    graph: Graph
    floats: DTypeLike
    masks: dict[str, str] = field(default_factory=dict)
    """Masks in the graph, by their kind: all layers share one."""

    def mask(self, kind: str, add: Callable[[GraphBuilder], str]) -> str:
        """Return a mask that is added at its first use."""
        if kind not in self.masks:
            self.masks[kind] = self.spliced(f"mask.{kind}", add)
        return self.masks[kind]

    def spliced(self, name: str, add: Callable[[GraphBuilder], str]) -> str:
        """Append nodes under a prefix, and return the name of their result: the prefix itself."""
        body = GraphBuilder(name=name)
        result = add(body)
        names = names_in(self.graph, body)
        for key, array in body.weights.items():
            self.graph.weights[names[key]] = array
        own = {output for node in body.nodes for output in node.outputs}

        def named(tensor: str) -> str:
            if tensor == result:
                return name
            return f"{name}/{tensor}" if tensor in own else names.get(tensor, tensor)

        for node in body.nodes:
            outputs = tuple(map(named, node.outputs))
            inputs = tuple(map(named, node.inputs))
            self.graph.nodes.append(replace(node, name=outputs[0], inputs=inputs, outputs=outputs))
        return name


def to_standard(graph: Graph) -> Graph:
    """Return the graph in ONNX's own operators; a softmax is computed in float32, as before."""
    halves = any(array.dtype == np.float16 for array in graph.weights.values())
    rewriting = _Rewriting(graph=graph.emptied(), floats=np.float16 if halves else np.float32)
    for node in graph.nodes:
        if node.op in MICROSOFT_OPS:
            REWRITES[node.op](rewriting, node)
        else:
            rewriting.graph.nodes.append(node)
    return rewriting.graph


def _quick_gelu(rewriting: _Rewriting, node: Node) -> None:
    (tokens,) = node.inputs
    alpha = node.attributes["alpha"]
    assert isinstance(alpha, float)

    def add(body: GraphBuilder) -> str:
        scaled = body.add("Mul", tokens, body.constant(round(alpha, 6), rewriting.floats))
        return body.add("Mul", tokens, body.add("Sigmoid", scaled))

    rewriting.spliced(node.name, add)


def _bias_gelu(rewriting: _Rewriting, node: Node) -> None:
    approximate = {"approximate": "tanh"} if node.op == "FastGelu" else {}

    def add(body: GraphBuilder) -> str:
        return body.add("Gelu", body.add("Add", *node.inputs), **approximate)

    rewriting.spliced(node.name, add)


def _skip_layer_normalization(rewriting: _Rewriting, node: Node) -> None:
    """Write the norm of a sum, and the sum itself, which is the operator's fourth output."""
    tokens, skip, scale, shift, *bias = node.inputs
    total = node.outputs[3]
    epsilon = node.attributes["epsilon"]

    def add_total(body: GraphBuilder) -> str:
        biased = body.add("Add", tokens, *bias) if bias else tokens
        return body.add("Add", skip, biased)

    def add_norm(body: GraphBuilder) -> str:
        return body.add("LayerNormalization", total, scale, shift, axis=-1, epsilon=epsilon)

    rewriting.spliced(total, add_total)
    rewriting.spliced(node.name, add_norm)


def _attention(rewriting: _Rewriting, node: Node) -> None:
    """Write attention with its projection to queries, keys and values."""
    tokens, weight, bias, *counts = node.inputs
    mask = _mask(rewriting, tokens, "".join(counts), bool(node.attributes["unidirectional"]))
    heads = _heads(node)

    def add(body: GraphBuilder) -> str:
        product = body.add("MatMul", tokens, weight)
        joined = body.add("Add", product, bias) if bias else product
        parts = add_heads(body, joined, heads, parts=3)
        return _attended(body, parts, mask, rewriting.floats)

    rewriting.spliced(node.name, add)


def _multi_head_attention(rewriting: _Rewriting, node: Node) -> None:
    query, key, value, *more = node.inputs
    mask = _mask(rewriting, key, "".join(more), causal=False)
    heads = _heads(node)

    def add(body: GraphBuilder) -> str:
        parts = [add_heads(body, each, heads, parts=1)[0] for each in (query, key, value)]
        return _attended(body, parts, mask, rewriting.floats)

    rewriting.spliced(node.name, add)


def _heads(node: Node) -> int:
    """Return the number of heads of an attention whose queries are scaled already."""
    heads = node.attributes["num_heads"]
    assert isinstance(heads, int)
    assert node.attributes["scale"] == 1, f"{node.name} scales its scores"
    return heads


def _mask(rewriting: _Rewriting, tokens: str, counts: str, causal: bool) -> str:
    """Return a mask in float32 that is added to the scores; empty: there is none."""
    if counts:
        # int32 [B], as the operators want it; positions are int64.
        def add_counted(body: GraphBuilder) -> str:
            return add_count_mask(body, tokens, body.add("Cast", counts, to=7))

        return rewriting.mask(counts, add_counted)
    return rewriting.mask("causal", lambda body: add_causal_mask(body, tokens)) if causal else ""


def _attended(
    body: GraphBuilder, parts: tuple[str, ...] | list[str], mask: str, floats: DTypeLike
) -> str:
    """Append softmax(query @ key.T + mask) @ value, heads concatenated: [B, T, width]."""
    query, key, value = parts
    scores = body.add("MatMul", query, body.add("Transpose", key, perm=LAST_TWO))
    halves = floats == np.float16
    if halves:
        scores = body.add("Cast", scores, to=_FLOAT)
    if mask:
        scores = body.add("Add", scores, mask)
    weights = body.add("Softmax", scores, axis=-1)
    if halves:
        weights = body.add("Cast", weights, to=_HALF)
    heads = body.add("Transpose", body.add("MatMul", weights, value), perm=[0, 2, 1, 3])
    return body.add("Reshape", heads, body.constant([0, 0, -1], np.int64))


REWRITES: Final[Mapping[str, Callable[[_Rewriting, Node], None]]] = {
    "Attention": _attention,
    "BiasGelu": _bias_gelu,
    "FastGelu": _bias_gelu,
    "MultiHeadAttention": _multi_head_attention,
    "QuickGelu": _quick_gelu,
    "SkipLayerNormalization": _skip_layer_normalization,
}
