"""The blocks in int8: integer products of quantised weights and tokens, in operators of our own.

Weights have a per-channel scale, tokens a dynamic per-token scale (the largest magnitude): so an
embedding depends neither on its batch nor on padding. The integer sums are exact, in every order of
summation.

What stays in float32 (norms, the last projection, the unit rows, a block that int8 would cost too
much) is computed by the operators of float32 towers, so that no sum is left to the order of
onnxruntime, which is another on another processor.

Every operator is called by name (domain `twinlens`) and defined by a function in the same file: the
native operators serve if they are installed; otherwise onnxruntime inlines the function.
"""

# ruff: noqa: D102  the contracts are those of Blocks

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
import onnx
from numpy.typing import NDArray

from twinlens_export.architecture import F32, Linear, Norm
from twinlens_export.blocks import int8_functions as functions
from twinlens_export.blocks.attention_block import attention_block
from twinlens_export.blocks.interface import Mlp
from twinlens_export.blocks.native_fp32 import NativeFloatBlocks
from twinlens_export.graph.graph import Array, Attribute, Function, Graph, Node

_FLOAT: Final = int(onnx.TensorProto.FLOAT)

LEVELS: Final = 127
"""Codes run from -127 to 127, symmetric about 0."""
MAP: Final = ("codes", "scales", "bias")
TABLE: Final = ("codes", "scales")
"""Parts of a quantised map, and of a table, as they are named."""
VECTOR: Final = 32
"""The width of a fused attention is a multiple of it."""
FUSIBLE: Final = frozenset({"CausalAttention", "SelfAttention"})
"""Attentions with a fused operator of the whole attention block, projections included."""


@dataclass(frozen=True, slots=True)
class Int8Blocks:
    """See `Blocks`.

    The last projection stays in float32: computed once an item, 1 % of the weights and an eighth of
    the error.
    """

    graph: Graph
    kept: Collection[str] = frozenset()
    """Names of blocks that stay in float32."""
    divisors: Mapping[str, F32] = field(default_factory=dict)
    """Smoothing factors [in] by the name of a linear map: its tokens are divided by them before
    they are quantised. For smoothing that no norm can absorb, as in post-norm (BERT)."""
    known: Mapping[str, Array] = field(default_factory=dict)
    """Arrays of the same tower in int8, by their names: what is there is not computed again."""
    _floats: NativeFloatBlocks = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_floats", NativeFloatBlocks(self.graph, defined=True))

    def rows(self, table: F32, ids: str, name: str) -> str:
        if name in self.kept:
            return self._floats.rows(table, ids, name)
        graph, arrays = self.graph, self._known(name, TABLE)
        if not arrays:
            codes, scales = _quantised(table)
            arrays = [codes, scales[:, None]]
        stored = [
            graph.weight(f"{name}.{part}", one) for part, one in zip(TABLE, arrays, strict=True)
        ]
        codes_of_ids, scale = (graph.add("Gather", one, ids) for one in stored)
        values = graph.add("Cast", codes_of_ids, to=_FLOAT)
        return graph.add("Mul", values, scale, name=name)

    def norm(self, tokens: str, norm: Norm, name: str) -> str:
        return self._floats.norm(tokens, norm, name)

    def bytes_linear(self, values: str, linear: Linear, name: str) -> str:
        if name in self.kept:
            return self._floats.bytes_linear(values, linear, name)
        # x W = (x - 128) W + 128 sum(W): only the first term has the quantised weight, so the
        # quantisation error of a grey image is corrected exactly.
        weight = self._weight(linear, name, lift=functions.ZERO)
        return self._call(functions.bytes_linear(), values, *weight, name=name, k=linear)

    def linear(self, tokens: str, linear: Linear, name: str, *, norm: Norm | None = None) -> str:
        if name in self.kept:
            return self._floats.linear(tokens, linear, name, norm=norm)
        if name in self.divisors:
            assert norm is None, f"{name} has a norm to fold its divisors into"
            tokens, linear = self._divided(tokens, linear, name)
        function = functions.linear(normed=norm is not None)
        inputs = (tokens, *self._norm(norm, name), *self._weight(linear, name))
        return self._call(function, *inputs, name=name, k=linear, **_epsilon(norm))

    def linear_add(self, tokens: str, linear: Linear, residual: str, name: str) -> str:
        if name in self.kept:
            return self._floats.linear_add(tokens, linear, residual, name)
        fusible = attention_block(
            self.graph, tokens, residual, projection="NormLinear", attentions=FUSIBLE
        )
        if fusible is not None and linear.weight.shape[1] % VECTOR == 0:
            return self._attention_add(fusible, linear, name)
        inputs = (tokens, *self._weight(linear, name), residual)
        return self._call(functions.linear_add(), *inputs, name=name, k=linear)

    def mlp_add(self, tokens: str, mlp: Mlp, name: str) -> str:
        if name in self.kept:
            return self._floats.mlp_add(tokens, mlp, name)
        fc1 = f"{name}.widen"
        if fc1 not in self.divisors:
            return self._mlp_add(tokens, mlp, name)
        assert mlp.norm is None, f"{name} has a norm to fold its divisors into"
        divided, linear = self._divided(tokens, mlp.fc1, fc1)
        total = self._mlp_add(divided, replace(mlp, fc1=linear), name)
        # The operator adds its own input, here the divided tokens: the residual is the undivided.
        return self.graph.add("Add", tokens, self.graph.add("Sub", total, divided))

    def _mlp_add(self, tokens: str, mlp: Mlp, name: str) -> str:
        inputs = (
            tokens,
            *self._norm(mlp.norm, name),
            *self._weight(mlp.fc1, f"{name}.widen"),
            *self._weight(mlp.fc2, f"{name}.narrow", lift=functions.LOWEST),
        )
        function = functions.mlp_add(mlp.activation, normed=mlp.norm is not None)
        sizes = {"inputs": mlp.fc1.weight.shape[1], "middle": mlp.fc2.weight.shape[1]}
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

    def unit_rows(self, rows: str, name: str) -> str:
        return self._floats.unit_rows(rows, name)

    def _attention_add(self, fusible: tuple[Node, Node], out_proj: Linear, name: str) -> str:
        """Replace three operators by one: the intermediate results stay in the processor's cache.

        ViT-B/32 takes 2.5 ms an image with it, and 2.85 ms with the three.
        """
        qkv, attention = fusible
        del self.graph.nodes[-2:]
        heads, epsilon = attention.attributes["heads"], qkv.attributes["epsilon"]
        assert isinstance(heads, int)
        assert isinstance(epsilon, float)
        causal = attention.op == "CausalAttention"
        function = functions.attention_add(heads, causal=causal)
        width = out_proj.weight.shape[1]
        sizes: dict[str, Attribute] = {"inputs": width, "middle": width, "heads": heads}
        inputs = (*qkv.inputs, *self._weight(out_proj, name))
        return self.graph.call(function, *inputs, name=name, **sizes, epsilon=epsilon)

    def _divided(self, tokens: str, linear: Linear, name: str) -> tuple[str, Linear]:
        """Divide the tokens by the map's divisors, and multiply its weight by them."""
        divisors = self.divisors[name]
        shares = self.graph.weight(f"{name}.shares", (1 / divisors).astype(np.float32))
        weight = (linear.weight * divisors).astype(np.float32)
        return self.graph.add("Mul", tokens, shares), replace(linear, weight=weight)

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
        """Store codes, scales and bias of a map whose input is lowered by `lift` first."""
        arrays = self._known(name, MAP)
        if not arrays:
            codes, scales = _quantised(linear.weight)
            bias = np.zeros(len(scales)) if linear.bias is None else linear.bias.astype(np.float64)
            bias = bias + lift * linear.weight.sum(axis=1, dtype=np.float64)
            arrays = [packed(codes), scales, bias.astype(np.float32)]
        codes_name, scales_name, bias_name = (
            self.graph.weight(f"{name}.{part}", array)
            for part, array in zip(MAP, arrays, strict=True)
        )
        return codes_name, scales_name, bias_name

    def _known(self, name: str, parts: Sequence[str]) -> list[Array]:
        """Return the known arrays of a block; none if they are not known."""
        names = [f"{name}.{part}" for part in parts]
        return [self.known[one] for one in names] if names[0] in self.known else []


def _epsilon(norm: Norm | None) -> dict[str, Attribute]:
    return {} if norm is None else {"epsilon": norm.epsilon}


def packed(codes: NDArray[np.int8]) -> NDArray[np.int8]:
    """Pack codes [out, in] in the kernels' layout: [out / 16, in / 64, 16, 16, 4].

    A tile of 16 outputs and 64 inputs is 16 quads of inputs, each with its 4 codes of every output;
    it is padded with zeros. So an AMX tile, a vector and a quarter of one are contiguous in the
    file, and nothing is moved when the file is opened.
    """
    outputs, inputs = codes.shape
    padded = np.zeros((-outputs % 16 + outputs, -inputs % 64 + inputs), np.int8)
    padded[:outputs, :inputs] = codes
    tiles = padded.reshape(len(padded) // 16, 16, -1, 16, 4)
    return np.ascontiguousarray(tiles.transpose(0, 2, 3, 1, 4))


def _quantised(weight: F32) -> tuple[NDArray[np.int8], F32]:
    """Quantise a matrix [n, m] per row: codes [n, m] and scales [n], codes * scales ~ weight."""
    largest = np.abs(weight).max(axis=1)
    scales = (np.where(largest > 0, largest, 1) / np.float32(LEVELS)).astype(np.float32)
    codes = np.rint(weight / scales[:, None]).clip(-LEVELS, LEVELS)
    return codes.astype(np.int8), scales
