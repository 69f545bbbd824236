"""The blocks in bf16: products of bfloat16 with sums in float32, in operators of our own.

Weights are bfloat16, and so are the rows that they are multiplied with, each rounded once; all else
is float32: sums, residuals, norms, attention, the last projection. As in int8 every operator is
called by name, and defined by a function in the same file: the native operators serve if they are
installed; otherwise onnxruntime inlines the function.
"""

# ruff: noqa: D102  the contracts are those of Blocks

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import onnx

from twinlens_export.architecture import F32, Linear, Norm
from twinlens_export.blocks import bf16_functions as functions
from twinlens_export.blocks import int8_functions
from twinlens_export.blocks.attention_block import attention_block
from twinlens_export.blocks.interface import Mlp
from twinlens_export.blocks.native_fp32 import NativeFloatBlocks
from twinlens_export.graph.bf16 import Bf16, rounded
from twinlens_export.graph.graph import Attribute, Function, Graph, Node

TOGETHER: Final = 32
"""Outputs of a packed weight that lie together, and a divisor of the width of a fused attention."""
FUSIBLE: Final = frozenset({"Bf16CausalAttention", "Bf16SelfAttention"})
"""Attentions with a fused operator of the whole attention block, projections included."""

_FLOAT: Final = int(onnx.TensorProto.FLOAT)


@dataclass(frozen=True, slots=True)
class Bf16Blocks:
    """See `Blocks`.

    The last projection stays in float32: computed once an item, 1 % of the weights.
    """

    graph: Graph
    _floats: NativeFloatBlocks = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_floats", NativeFloatBlocks(self.graph, defined=True))

    def rows(self, table: F32, ids: str, name: str) -> str:
        stored = self.graph.weight(f"{name}.table", rounded(table))
        return self.graph.add("Cast", self.graph.add("Gather", stored, ids), name=name, to=_FLOAT)

    def norm(self, tokens: str, norm: Norm, name: str) -> str:
        return self._floats.norm(tokens, norm, name)

    def bytes_linear(self, values: str, linear: Linear, name: str) -> str:
        # x W = (x - 128) W + 128 sum(W): only the first term has the rounded weight.
        weight = self._weight(linear, name, lift=functions.ZERO)
        return self._call(functions.bytes_linear(), values, *weight, name=name, k=linear)

    def linear(self, tokens: str, linear: Linear, name: str, *, norm: Norm | None = None) -> str:
        inputs = (tokens, *self._norm(norm, name), *self._weight(linear, name))
        return self._call(
            functions.linear(normed=norm is not None),
            *inputs,
            name=name,
            k=linear,
            **_epsilon(norm),
        )

    def linear_add(self, tokens: str, linear: Linear, residual: str, name: str) -> str:
        fusible = attention_block(
            self.graph, tokens, residual, projection="Bf16NormLinear", attentions=FUSIBLE
        )
        if fusible is not None and linear.weight.shape[1] % TOGETHER == 0:
            return self._attention_add(fusible, linear, name)
        inputs = (tokens, *self._weight(linear, name), residual)
        return self._call(functions.linear_add(), *inputs, name=name, k=linear)

    def mlp_add(self, tokens: str, mlp: Mlp, name: str) -> str:
        inputs = (
            tokens,
            *self._norm(mlp.norm, name),
            *self._weight(mlp.fc1, f"{name}.widen"),
            *self._weight(mlp.fc2, f"{name}.narrow"),
        )
        sizes = {"inputs": mlp.fc1.weight.shape[1], "middle": mlp.fc2.weight.shape[1]}
        attributes = {**sizes, "activation": mlp.activation, **_epsilon(mlp.norm)}
        function = functions.mlp_add(mlp.activation, normed=mlp.norm is not None)
        return self.graph.call(function, *inputs, name=name, **attributes)

    def self_attention(self, joined: str, heads: int, *, causal: bool) -> str:
        return self._attention(functions.self_attention(heads, causal=causal), joined, heads=heads)

    def counted_attention(self, joined: str, heads: int, counts: str) -> str:
        function = functions.attention(int8_functions.counted_attention(heads))
        return self._attention(function, joined, counts, heads=heads)

    def pooled_attention(self, query: str, joined: str, heads: int, counts: str = "") -> str:
        if counts:
            function = functions.attention(int8_functions.counted_pooled_attention(heads))
            return self._attention(function, query, joined, counts, heads=heads)
        function = functions.attention(int8_functions.pooled_attention(heads))
        return self._attention(function, query, joined, heads=heads)

    def projection(self, rows: str, linear: Linear, name: str) -> str:
        return self._floats.projection(rows, linear, name)

    def unit_rows(self, rows: str, name: str) -> str:
        return self._floats.unit_rows(rows, name)

    def _attention_add(self, fusible: tuple[Node, Node], out_proj: Linear, name: str) -> str:
        """Replace three operators by one, whose intermediate results stay in the cache."""
        qkv, attention = fusible
        del self.graph.nodes[-2:]
        heads, epsilon = attention.attributes["heads"], qkv.attributes["epsilon"]
        assert isinstance(heads, int)
        assert isinstance(epsilon, float)
        causal = attention.op == "Bf16CausalAttention"
        function = functions.attention_add(heads, causal=causal)
        width = out_proj.weight.shape[1]
        sizes: dict[str, Attribute] = {"inputs": width, "middle": width, "heads": heads}
        inputs = (*qkv.inputs, *self._weight(out_proj, name))
        return self.graph.call(function, *inputs, name=name, **sizes, epsilon=epsilon)

    def _attention(self, function: Function, *inputs: str, heads: int) -> str:
        name = f"{function.name}.{len(self.graph.nodes)}"
        return self.graph.call(function, *inputs, name=name, heads=heads)

    def _call(
        self, function: Function, *inputs: str, name: str, k: Linear, **more: Attribute
    ) -> str:
        return self.graph.call(function, *inputs, name=name, inputs=k.weight.shape[1], **more)

    def _norm(self, norm: Norm | None, name: str) -> tuple[str, ...]:
        if norm is None:
            return ()
        graph = self.graph
        return (
            graph.weight(f"{name}.norm.scale", norm.scale),
            graph.weight(f"{name}.norm.bias", norm.bias),
        )

    def _weight(self, linear: Linear, name: str, *, lift: float = 0.0) -> tuple[str, str]:
        """Store weight and bias of a map whose input is lowered by `lift` first."""
        weight, graph = linear.weight, self.graph
        bias = np.zeros(len(weight)) if linear.bias is None else linear.bias.astype(np.float64)
        if lift:
            bias = bias + lift * weight.sum(axis=1, dtype=np.float64)
        return (
            graph.weight(f"{name}.weight", packed(rounded(weight))),
            graph.weight(f"{name}.bias", bias.astype(np.float32)),
        )


def _epsilon(norm: Norm | None) -> Mapping[str, Attribute]:
    return {} if norm is None else {"epsilon": norm.epsilon}


def packed(weight: Bf16) -> Bf16:
    """Pack a weight [out, in] in the kernels' layout [out / 32, in / 2, 32, 2], padded with zeros.

    A vector of outputs with two inputs each is contiguous in the file, and so are the vectors of
    the next inputs: nothing is moved when the file is opened.
    """
    outputs, inputs = weight.shape
    padded = np.zeros((-outputs % TOGETHER + outputs, inputs % 2 + inputs), weight.dtype)
    padded[:outputs, :inputs] = weight
    pairs = padded.reshape(len(padded) // TOGETHER, TOGETHER, -1, 2)
    return np.ascontiguousarray(pairs.transpose(0, 2, 1, 3))
