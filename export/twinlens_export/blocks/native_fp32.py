"""The blocks in float32, in native operators: a second graph over the weights of `FloatBlocks`.

The first has onnxruntime's operators alone, so each build runs it; this one, without a function
in its place, serves where the native operators do. An int8 tower has some of them too, with their
functions: it has no other graph.
"""

# ruff: noqa: D102  the contracts are those of Blocks

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from twinlens_export.architecture import F32, Linear, Norm
from twinlens_export.blocks.attention_block import attention_block
from twinlens_export.blocks.fp32 import FloatBlocks, packed
from twinlens_export.blocks.functions import fp32 as functions
from twinlens_export.blocks.interface import Mlp
from twinlens_export.graph.graph import Attribute, Function, Graph, Node

VECTOR: Final = 32
"""The width of a fused attention is a multiple of it."""
FUSED: Final[Mapping[str, str]] = {
    "FloatSelfAttention": "FloatNormSelfAttentionAdd",
    "FloatCausalAttention": "FloatNormCausalAttentionAdd",
}
"""Operators of a whole attention block, by that of its attention."""


@dataclass(frozen=True, slots=True)
class NativeFloatBlocks:
    """See `Blocks`.

    Linear maps and norms are named as `FloatBlocks` names them.
    """

    graph: Graph
    defined: bool = False
    """True if the file has the functions of the operators, attention's aside."""
    _floats: FloatBlocks = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_floats", FloatBlocks(self.graph))

    def rows(self, table: F32, ids: str, name: str) -> str:
        return self._floats.rows(table, ids, name)

    def norm(self, tokens: str, norm: Norm, name: str) -> str:
        given = (tokens, *self._norm(norm, name))
        attributes = {"inputs": len(norm.scale), "epsilon": norm.epsilon}
        return self._call(functions.norm(), *given, name="", **attributes)

    def bytes_linear(self, values: str, linear: Linear, name: str) -> str:
        return self._linear(functions.bytes_linear(), values, linear, name)

    def linear(self, tokens: str, linear: Linear, name: str, *, norm: Norm | None = None) -> str:
        function = functions.MAPS.linear(normed=norm is not None)
        return self._linear(function, tokens, linear, name, norm=norm)

    def linear_add(self, tokens: str, linear: Linear, residual: str, name: str) -> str:
        inputs = linear.weight.shape[1]
        fusible = attention_block(
            self.graph, tokens, residual, projection="FloatNormLinear", attentions=FUSED
        )
        if fusible is not None and inputs % VECTOR == 0:
            return self._attention_add(*fusible, linear, name)
        given = (tokens, *self._weight(linear, name), residual)
        return self._call(functions.MAPS.linear_add(), *given, name=name, inputs=inputs)

    def mlp_add(self, tokens: str, mlp: Mlp, name: str) -> str:
        given = (
            tokens,
            *(() if mlp.norm is None else self._norm(mlp.norm, f"{name}.widen.norm")),
            *self._weight(mlp.fc1, f"{name}.widen"),
            *self._weight(mlp.fc2, f"{name}.narrow"),
        )
        sizes = {"inputs": mlp.fc1.weight.shape[1], "middle": mlp.fc2.weight.shape[1]}
        attributes = {**sizes, "activation": mlp.activation, **_epsilon(mlp.norm)}
        function = functions.MAPS.mlp_add(mlp.activation, normed=mlp.norm is not None)
        return self._call(function, *given, name=name, **attributes)

    def self_attention(self, joined: str, heads: int, *, causal: bool) -> str:
        op = "FloatCausalAttention" if causal else "FloatSelfAttention"
        return self.graph.add(op, joined, heads=heads)

    def counted_attention(self, joined: str, heads: int, counts: str) -> str:
        return self.graph.add("FloatCountedAttention", joined, counts, heads=heads)

    def pooled_attention(self, query: str, joined: str, heads: int, counts: str = "") -> str:
        if counts:
            return self.graph.add("FloatCountedPooledAttention", query, joined, counts, heads=heads)
        return self.graph.add("FloatPooledAttention", query, joined, heads=heads)

    def projection(self, rows: str, linear: Linear, name: str) -> str:
        return self.linear(rows, linear, name)

    def unit_rows(self, rows: str, name: str) -> str:
        return self._call(functions.unit_rows(), rows, name=name)

    def _call(self, function: Function, *inputs: str, name: str, **attributes: Attribute) -> str:
        if not self.defined:
            return self.graph.add(function.name, *inputs, name=name, **attributes)
        name = name or f"{function.name}.{len(self.graph.nodes)}"
        return self.graph.call(function, *inputs, name=name, **attributes)

    def _linear(
        self,
        function: Function,
        tokens: str,
        linear: Linear,
        name: str,
        *,
        norm: Norm | None = None,
    ) -> str:
        before = () if norm is None else self._norm(norm, f"{name}.norm")
        given = (tokens, *before, *self._weight(linear, name))
        sizes = {"inputs": linear.weight.shape[1]}
        return self._call(function, *given, name=name, **sizes, **_epsilon(norm))

    def _attention_add(self, qkv: Node, attention: Node, out_proj: Linear, name: str) -> str:
        """Put one operator in the place of the last two nodes and an output projection."""
        del self.graph.nodes[-2:]
        attributes: dict[str, Attribute] = {
            "inputs": qkv.attributes["inputs"],
            "middle": out_proj.weight.shape[1],
            "heads": attention.attributes["heads"],
            "epsilon": qkv.attributes["epsilon"],
        }
        given = (*qkv.inputs, *self._weight(out_proj, name))
        return self.graph.add(FUSED[attention.op], *given, name=name, **attributes)

    def _norm(self, norm: Norm, name: str) -> tuple[str, str]:
        graph = self.graph
        return (
            graph.weight(f"{name}.scale", norm.scale),
            graph.weight(f"{name}.bias", norm.bias),
        )

    def _weight(self, linear: Linear, name: str) -> tuple[str, str]:
        graph, bias = self.graph, linear.bias
        if bias is None:  # FloatBlocks stores none
            bias = np.zeros(len(linear.weight), np.float32)
        weight = graph.weight(f"{name}.weight", packed(linear.weight))
        return weight, graph.weight(f"{name}.bias", bias)


def _epsilon(norm: Norm | None) -> dict[str, Attribute]:
    return {} if norm is None else {"epsilon": norm.epsilon}
