"""The blocks in int8: integer products of quantised weights and tokens.

Weights have a per-channel scale, tokens a dynamic per-token scale (the largest magnitude): so an
embedding depends neither on its batch nor on padding. The integer sums are exact, in every order of
summation. A block that int8 would cost too much stays in float32.
"""

# ruff: noqa: D102  the contracts are those of Blocks

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar, Final

import numpy as np
import onnx
from numpy.typing import NDArray

from twinlens_export.architecture import F32, Linear, Norm
from twinlens_export.blocks.functions import int8 as functions
from twinlens_export.blocks.functions.attention import AttentionFunctions
from twinlens_export.blocks.interface import Blocks, Mlp
from twinlens_export.blocks.reduced_precision import ReducedPrecisionBlocks
from twinlens_export.graph.graph import Array, Function, Graph

_FLOAT: Final = int(onnx.TensorProto.FLOAT)

LEVELS: Final = 127
"""Codes run from -127 to 127, symmetric about 0."""
TABLE: Final = ("codes", "scales")
MAP: Final = (*TABLE, "bias")
"""Parts of a quantised table, and of a map, as they are named."""


@dataclass(frozen=True, slots=True)
class QuantisedBlocks(ReducedPrecisionBlocks):
    """See `Blocks`; all of them in int8."""

    known: Mapping[str, Array] = field(default_factory=dict)
    """Arrays of the same tower in int8, by their names, which are not computed again."""

    MAPS: ClassVar = functions.MAPS
    ATTENTIONS: ClassVar = AttentionFunctions("")
    BYTES_ZERO: ClassVar = functions.ZERO
    LOWEST_ACTIVATED: ClassVar = functions.LOWEST

    def rows(self, table: F32, ids: str, name: str) -> str:
        graph = self.graph
        codes, scales = self._known(name, TABLE) or _quantised_table(table)
        gathered = graph.add("Gather", graph.weight(f"{name}.codes", codes), ids)
        values = graph.add("Cast", gathered, to=_FLOAT)
        scale = graph.add("Gather", graph.weight(f"{name}.scales", scales), ids)
        return graph.add("Mul", values, scale, name=name)

    def define_bytes_linear(self) -> Function:
        return functions.bytes_linear()

    def weight(self, linear: Linear, name: str, *, lift: float = 0.0) -> tuple[str, ...]:
        arrays = self._known(name, MAP) or _quantised_map(linear, lift)
        parts = zip(MAP, arrays, strict=True)
        return tuple(self.graph.weight(f"{name}.{part}", array) for part, array in parts)

    def _known(self, name: str, parts: Sequence[str]) -> list[Array]:
        """Return the known arrays of a block; none if they are not known."""
        names = [f"{name}.{part}" for part in parts]
        return [self.known[one] for one in names] if names[0] in self.known else []


@dataclass(frozen=True, slots=True)
class Int8Blocks:
    """See `Blocks`; in int8, those aside that are kept in float32."""

    graph: Graph
    kept: Collection[str] = frozenset()
    """Names of blocks that stay in float32."""
    divisors: Mapping[str, F32] = field(default_factory=dict)
    """Smoothing factors [in] by the name of a linear map: its tokens are divided by them before
    they are quantised. For smoothing that no norm can absorb, as in post-norm (BERT)."""
    known: Mapping[str, Array] = field(default_factory=dict)
    """See `QuantisedBlocks`."""
    _int8: QuantisedBlocks = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_int8", QuantisedBlocks(self.graph, self.known))

    def rows(self, table: F32, ids: str, name: str) -> str:
        return self._blocks(name).rows(table, ids, name)

    def norm(self, tokens: str, norm: Norm, name: str) -> str:
        return self._int8.norm(tokens, norm, name)

    def bytes_linear(self, values: str, linear: Linear, name: str) -> str:
        return self._blocks(name).bytes_linear(values, linear, name)

    def linear(self, tokens: str, linear: Linear, name: str, *, norm: Norm | None = None) -> str:
        if name in self.divisors and name not in self.kept:
            assert norm is None, f"{name} has a norm to fold its divisors into"
            tokens, linear = self._divided(tokens, linear, name)
        return self._blocks(name).linear(tokens, linear, name, norm=norm)

    def linear_add(self, tokens: str, linear: Linear, residual: str, name: str) -> str:
        return self._blocks(name).linear_add(tokens, linear, residual, name)

    def mlp_add(self, tokens: str, mlp: Mlp, name: str) -> str:
        fc1 = f"{name}.widen"
        if name in self.kept or fc1 not in self.divisors:
            return self._blocks(name).mlp_add(tokens, mlp, name)
        assert mlp.norm is None, f"{name} has a norm to fold its divisors into"
        divided, linear = self._divided(tokens, mlp.fc1, fc1)
        total = self._int8.mlp_add(divided, replace(mlp, fc1=linear), name)
        # The operator adds its own input, here the divided tokens: the residual is the undivided.
        return self.graph.add("Add", tokens, self.graph.add("Sub", total, divided))

    def self_attention(self, joined: str, heads: int, *, causal: bool) -> str:
        return self._int8.self_attention(joined, heads, causal=causal)

    def counted_attention(self, joined: str, heads: int, counts: str) -> str:
        return self._int8.counted_attention(joined, heads, counts)

    def pooled_attention(self, query: str, joined: str, heads: int, counts: str = "") -> str:
        return self._int8.pooled_attention(query, joined, heads, counts)

    def projection(self, rows: str, linear: Linear, name: str) -> str:
        return self._int8.projection(rows, linear, name)

    def unit_rows(self, rows: str, name: str) -> str:
        return self._int8.unit_rows(rows, name)

    def _blocks(self, name: str) -> Blocks:
        return self._int8.floats if name in self.kept else self._int8

    def _divided(self, tokens: str, linear: Linear, name: str) -> tuple[str, Linear]:
        """Divide the tokens by the map's divisors, and multiply its weight by them."""
        divisors = self.divisors[name]
        shares = self.graph.weight(f"{name}.shares", (1 / divisors).astype(np.float32))
        weight = (linear.weight * divisors).astype(np.float32)
        return self.graph.add("Mul", tokens, shares), replace(linear, weight=weight)


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


def _quantised_table(table: F32) -> list[Array]:
    codes, scales = _quantised(table)
    return [codes, scales[:, None]]


def _quantised_map(linear: Linear, lift: float) -> list[Array]:
    codes, scales = _quantised(linear.weight)
    bias = np.zeros(len(scales)) if linear.bias is None else linear.bias.astype(np.float64)
    bias = bias + lift * linear.weight.sum(axis=1, dtype=np.float64)
    return [packed(codes), scales, bias.astype(np.float32)]


def _quantised(weight: F32) -> tuple[NDArray[np.int8], F32]:
    """Quantise a matrix [n, m] per row: codes [n, m] and scales [n], codes * scales ~ weight."""
    largest = np.abs(weight).max(axis=1)
    scales = (np.where(largest > 0, largest, 1) / np.float32(LEVELS)).astype(np.float32)
    codes = np.rint(weight / scales[:, None]).clip(-LEVELS, LEVELS)
    return codes.astype(np.int8), scales
