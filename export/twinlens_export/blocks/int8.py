"""The blocks in int8: integer products of quantised weights and tokens, by operators of our own.

A weight has one scale an output channel, a token one scale of its own (its largest magnitude): so
an embedding depends neither on its batch mates nor on padding. The integer sums are exact, in
whatever order a processor adds them.

Every operator is called by name (domain `twinlens`) and defined by a function beside it: where the
native operators are, they serve; elsewhere onnxruntime puts the function in their place.
"""

# ruff: noqa: D102  the contracts are those of Blocks

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import onnx
from numpy.typing import NDArray

from twinlens_export.architecture import F32, Linear, Norm
from twinlens_export.blocks import int8_functions as functions
from twinlens_export.blocks.fp32 import FloatBlocks
from twinlens_export.blocks.interface import Mlp
from twinlens_export.graph.graph import Attribute, Function, Graph, Node

_FLOAT: Final = int(onnx.TensorProto.FLOAT)

LEVELS: Final = 127
"""Codes run from -127 to 127, so that both signs have as many."""
VECTOR: Final = 32
"""What the width of a whole attention must be a multiple of."""
WHOLE: Final = frozenset({"CausalAttention", "SelfAttention"})
"""The attentions that have an operator together with the maps before and behind them."""


@dataclass(frozen=True, slots=True)
class Int8Blocks:
    """See `Blocks`.

    The last projection stays in float32: computed once an item, 1 % of the weights and an eighth of
    the error.
    """

    graph: Graph
    kept: Collection[str] = frozenset()
    """Names of blocks that stay in float32."""
    _floats: FloatBlocks = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_floats", FloatBlocks(self.graph))

    def rows(self, table: F32, ids: str, name: str) -> str:
        if name in self.kept:
            return self._floats.rows(table, ids, name)
        graph = self.graph
        codes, scales = _coded(table)
        chosen = graph.add("Gather", graph.weight(f"{name}.codes", codes), ids)
        numbers = graph.add("Cast", chosen, to=_FLOAT)
        scale = graph.add("Gather", graph.weight(f"{name}.scales", scales[:, None]), ids)
        return graph.add("Mul", numbers, scale, name=name)

    def norm(self, tokens: str, norm: Norm, name: str) -> str:
        return self._floats.norm(tokens, norm, name)

    def bytes_linear(self, numbers: str, linear: Linear, name: str) -> str:
        if name in self.kept:
            return self._floats.bytes_linear(numbers, linear, name)
        # x W = (x - 128) W + 128 sum(W): only the first term sees the coded weight, so what coding
        # does to a grey image is corrected exactly.
        weight = self._weight(linear, name, lift=functions.ZERO)
        return self._call(functions.bytes_linear(), numbers, *weight, name=name, k=linear)

    def linear(self, tokens: str, linear: Linear, name: str, *, norm: Norm | None = None) -> str:
        if name in self.kept:
            return self._floats.linear(tokens, linear, name, norm=norm)
        function = functions.linear(norm)
        inputs = (tokens, *self._norm(norm, name), *self._weight(linear, name))
        return self._call(function, *inputs, name=name, k=linear, **_epsilon(norm))

    def linear_add(self, tokens: str, linear: Linear, residual: str, name: str) -> str:
        if name in self.kept:
            return self._floats.linear_add(tokens, linear, residual, name)
        whole = self._whole_attention(tokens, residual)
        if whole is not None and linear.weight.shape[1] % VECTOR == 0:
            return self._attention_add(whole, linear, name)
        inputs = (tokens, *self._weight(linear, name), residual)
        return self._call(functions.linear_add(), *inputs, name=name, k=linear)

    def mlp_add(self, tokens: str, mlp: Mlp, name: str) -> str:
        if name in self.kept:
            return self._floats.mlp_add(tokens, mlp, name)
        inputs = (
            tokens,
            *self._norm(mlp.norm, name),
            *self._weight(mlp.widen, f"{name}.widen"),
            *self._weight(mlp.narrow, f"{name}.narrow", lift=functions.LOWEST),
        )
        function = functions.mlp_add(mlp.norm, mlp.activation)
        width, middle = mlp.widen.weight.shape[1], mlp.narrow.weight.shape[1]
        sizes = {"inputs": width, "middle": middle}
        attributes = {**sizes, "activation": mlp.activation, **_epsilon(mlp.norm)}
        return self.graph.call(function, *inputs, name=name, **attributes)

    def self_attention(self, joined: str, heads: int, *, causal: bool) -> str:
        function = functions.causal_attention(heads) if causal else functions.self_attention(heads)
        return self._attention(function, joined, heads=heads)

    def counted_attention(self, joined: str, heads: int, counts: str) -> str:
        return self._attention(functions.counted_attention(heads), joined, counts, heads=heads)

    def pooled_attention(self, query: str, joined: str, heads: int, counts: str = "") -> str:
        if counts:
            function = functions.counted_pooled_attention(heads)
            return self._attention(function, query, joined, counts, heads=heads)
        return self._attention(functions.pooled_attention(heads), query, joined, heads=heads)

    def projection(self, rows: str, linear: Linear, name: str) -> str:
        return self._floats.projection(rows, linear, name)

    def _whole_attention(self, mixed: str, residual: str) -> tuple[Node, Node] | None:
        """The two blocks last appended, if they are the first half of an attention block."""
        if len(self.graph.nodes) < 2:
            return None
        joining, attending = self.graph.nodes[-2:]
        found = (
            attending.op in WHOLE
            and attending.name == mixed
            and joining.op == "NormLinear"
            and joining.name == attending.inputs[0]
            and joining.inputs[0] == residual
        )
        return (joining, attending) if found else None

    def _attention_add(self, whole: tuple[Node, Node], linear: Linear, name: str) -> str:
        """One operator in the place of three, whose middle stays in the processor's cache.

        ViT-B/32 takes 2.5 ms an image by it, and 2.85 by the three.
        """
        joining, attending = whole
        del self.graph.nodes[-2:]
        heads, epsilon = attending.attributes["heads"], joining.attributes["epsilon"]
        assert isinstance(heads, int)
        assert isinstance(epsilon, float)
        causal = attending.op == "CausalAttention"
        function = functions.attention_add(heads, epsilon, causal=causal)
        width = linear.weight.shape[1]
        sizes: dict[str, Attribute] = {"inputs": width, "middle": width, "heads": heads}
        inputs = (*joining.inputs, *self._weight(linear, name))
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

    def _weight(self, linear: Linear, name: str, *, lift: float = 0.0) -> tuple[str, str, str]:
        """Codes, scales and bias of a map; `lift` is what its input is lowered by first."""
        codes, scales = _coded(linear.weight)
        bias = np.zeros(len(scales)) if linear.bias is None else linear.bias.astype(np.float64)
        bias = bias + lift * linear.weight.sum(axis=1, dtype=np.float64)
        graph = self.graph
        return (
            graph.weight(f"{name}.codes", packed(codes)),
            graph.weight(f"{name}.scales", scales),
            graph.weight(f"{name}.bias", bias.astype(np.float32)),
        )


def _epsilon(norm: Norm | None) -> dict[str, Attribute]:
    return {} if norm is None else {"epsilon": norm.epsilon}


def packed(codes: NDArray[np.int8]) -> NDArray[np.int8]:
    """Codes [out, in] as the processor multiplies them: [out / 16, in / 64, 16, 16, 4].

    For 16 outputs and 64 inputs: 16 quads of inputs, of each output its 4; zeros beyond the ends.
    So a tile, a vector and a quarter of one are neighbours in the file, and nothing is moved when
    the file is opened.
    """
    outputs, inputs = codes.shape
    whole = np.zeros((-outputs % 16 + outputs, -inputs % 64 + inputs), np.int8)
    whole[:outputs, :inputs] = codes
    tiles = whole.reshape(len(whole) // 16, 16, -1, 16, 4)
    return np.ascontiguousarray(tiles.transpose(0, 2, 3, 1, 4))


def _coded(weight: F32) -> tuple[NDArray[np.int8], F32]:
    """Codes [n, m] and scales [n] of a matrix, codes * scales being nearly the matrix."""
    largest = np.abs(weight).max(axis=1)
    scales = (np.where(largest > 0, largest, 1) / np.float32(LEVELS)).astype(np.float32)
    codes = np.rint(weight / scales[:, None]).clip(-LEVELS, LEVELS)
    return codes.astype(np.int8), scales
