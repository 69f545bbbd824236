"""The blocks of a reduced precision: operators of our own over weights that are stored smaller.

Every operator is called by name (domain `twinlens`) and defined by a function in the same file: the
native operators serve if they are installed; otherwise onnxruntime inlines the function.

What stays in float32 (norms, the last projection, the unit rows) is computed by the operators of
float32 towers, so that no sum is left to the order of onnxruntime, which is another on another
processor.
"""

# ruff: noqa: D102  the contracts are those of Blocks

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Final

from twinlens_export.architecture import F32, Linear, Norm
from twinlens_export.blocks.attention_block import attention_block
from twinlens_export.blocks.functions.attention import AttentionFunctions
from twinlens_export.blocks.functions.maps import MapFunctions
from twinlens_export.blocks.interface import Mlp
from twinlens_export.blocks.native_fp32 import NativeFloatBlocks
from twinlens_export.graph.graph import Attribute, Function, Graph, Node

VECTOR: Final = 32
"""The width of a fused attention is a multiple of it."""


@dataclass(frozen=True, slots=True)
class ReducedPrecisionBlocks(ABC):
    """See `Blocks`.

    The last projection stays in float32: computed once an item, 1 % of the weights, and an eighth
    of the error of int8.
    """

    graph: Graph
    floats: NativeFloatBlocks = field(init=False)
    """The blocks that stay in float32."""

    MAPS: ClassVar[MapFunctions]
    ATTENTIONS: ClassVar[AttentionFunctions]
    BYTES_ZERO: ClassVar[int]
    """Subtracted from bytes before they are multiplied."""
    LOWEST_ACTIVATED: ClassVar[float] = 0.0
    """Subtracted from the output of an activation before it is multiplied."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "floats", NativeFloatBlocks(self.graph, defined=True))

    @abstractmethod
    def rows(self, table: F32, ids: str, name: str) -> str: ...

    @abstractmethod
    def define_bytes_linear(self) -> Function:
        """Define a linear map of uint8 less `BYTES_ZERO`."""

    @abstractmethod
    def weight(self, linear: Linear, name: str, *, lift: float = 0.0) -> tuple[str, ...]:
        """Store the parts of a map whose input is lowered by `lift` first, in a call's order."""

    def norm(self, tokens: str, norm: Norm, name: str) -> str:
        return self.floats.norm(tokens, norm, name)

    def bytes_linear(self, values: str, linear: Linear, name: str) -> str:
        # x W = (x - 128) W + 128 sum(W): only the first term has the rounded weight, so the
        # rounding error of a grey picture is corrected exactly.
        weight = self.weight(linear, name, lift=self.BYTES_ZERO)
        return self._call(self.define_bytes_linear(), values, *weight, name=name, k=linear)

    def linear(self, tokens: str, linear: Linear, name: str, *, norm: Norm | None = None) -> str:
        inputs = (tokens, *self._norm(norm, name), *self.weight(linear, name))
        function = self.MAPS.linear(normed=norm is not None)
        return self._call(function, *inputs, name=name, k=linear, **_epsilon(norm))

    def linear_add(self, tokens: str, linear: Linear, residual: str, name: str) -> str:
        prefix = self.MAPS.prefix
        fusible = attention_block(
            self.graph,
            tokens,
            residual,
            projection=f"{prefix}NormLinear",
            attentions={f"{prefix}CausalAttention", f"{prefix}SelfAttention"},
        )
        if fusible is not None and linear.weight.shape[1] % VECTOR == 0:
            return self._attention_add(fusible, linear, name)
        inputs = (tokens, *self.weight(linear, name), residual)
        return self._call(self.MAPS.linear_add(), *inputs, name=name, k=linear)

    def mlp_add(self, tokens: str, mlp: Mlp, name: str) -> str:
        inputs = (
            tokens,
            *self._norm(mlp.norm, name),
            *self.weight(mlp.fc1, f"{name}.widen"),
            *self.weight(mlp.fc2, f"{name}.narrow", lift=self.LOWEST_ACTIVATED),
        )
        sizes = {"inputs": mlp.fc1.weight.shape[1], "middle": mlp.fc2.weight.shape[1]}
        attributes = {**sizes, "activation": mlp.activation, **_epsilon(mlp.norm)}
        function = self.MAPS.mlp_add(mlp.activation, normed=mlp.norm is not None)
        return self.graph.call(function, *inputs, name=name, **attributes)

    def self_attention(self, joined: str, heads: int, *, causal: bool) -> str:
        function = self.ATTENTIONS.self_attention(heads, causal=causal)
        return self._attention(function, joined, heads=heads)

    def counted_attention(self, joined: str, heads: int, counts: str) -> str:
        return self._attention(self.ATTENTIONS.counted(heads), joined, counts, heads=heads)

    def pooled_attention(self, query: str, joined: str, heads: int, counts: str = "") -> str:
        if counts:
            function = self.ATTENTIONS.counted_pooled(heads)
            return self._attention(function, query, joined, counts, heads=heads)
        return self._attention(self.ATTENTIONS.pooled(heads), query, joined, heads=heads)

    def projection(self, rows: str, linear: Linear, name: str) -> str:
        return self.floats.projection(rows, linear, name)

    def unit_rows(self, rows: str, name: str) -> str:
        return self.floats.unit_rows(rows, name)

    def _attention_add(self, fusible: tuple[Node, Node], out_proj: Linear, name: str) -> str:
        """Replace three operators by one: the intermediate results stay in the processor's cache.

        ViT-B/32 in int8 takes 2.5 ms an image with it, and 2.85 ms with the three.
        """
        qkv, attention = fusible
        del self.graph.nodes[-2:]
        heads, epsilon = attention.attributes["heads"], qkv.attributes["epsilon"]
        assert isinstance(heads, int)
        assert isinstance(epsilon, float)
        causal = attention.op == f"{self.MAPS.prefix}CausalAttention"
        width = out_proj.weight.shape[1]
        sizes: dict[str, Attribute] = {"inputs": width, "middle": width, "heads": heads}
        inputs = (*qkv.inputs, *self.weight(out_proj, name))
        function = self.MAPS.attention_add(heads, causal=causal)
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


def _epsilon(norm: Norm | None) -> Mapping[str, Attribute]:
    return {} if norm is None else {"epsilon": norm.epsilon}
