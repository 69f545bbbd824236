"""The blocks in int8, of tokens that are divided channel by channel before they are coded.

Smoothing where it cannot be folded: behind a norm whose answer is also added to, as in BERT.
"""

# ruff: noqa: D102  the contracts are those of Blocks

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from twinlens_export.architecture import F32, Linear, Norm
from twinlens_export.blocks.int8 import Int8Blocks
from twinlens_export.blocks.interface import Mlp
from twinlens_export.graph.graph import Graph


@dataclass(frozen=True, slots=True)
class DividedBlocks:
    """See `Blocks`."""

    graph: Graph
    factors: Mapping[str, F32]
    """What the tokens of a product [in] are divided by, by the product's name."""
    kept: Collection[str] = frozenset()
    """Names of blocks that stay in float32."""
    _coded: Int8Blocks = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_coded", Int8Blocks(self.graph, kept=self.kept))

    def linear(self, tokens: str, linear: Linear, name: str, *, norm: Norm | None = None) -> str:
        if name in self.kept or name not in self.factors:
            return self._coded.linear(tokens, linear, name, norm=norm)
        assert norm is None, f"{name} has a norm to fold its factors into"
        divided, linear = self._divided(tokens, linear, name)
        return self._coded.linear(divided, linear, name)

    def mlp_add(self, tokens: str, mlp: Mlp, name: str) -> str:
        first = f"{name}.widen"
        if name in self.kept or first not in self.factors:
            return self._coded.mlp_add(tokens, mlp, name)
        assert mlp.norm is None, f"{name} has a norm to fold its factors into"
        divided, widen = self._divided(tokens, mlp.widen, first)
        both = self._coded.mlp_add(divided, replace(mlp, widen=widen), name)
        # The block adds what it is given, which here is not what is to be added to.
        return self.graph.add("Add", tokens, self.graph.add("Sub", both, divided))

    def rows(self, table: F32, ids: str, name: str) -> str:
        return self._coded.rows(table, ids, name)

    def norm(self, tokens: str, norm: Norm, name: str) -> str:
        return self._coded.norm(tokens, norm, name)

    def bytes_linear(self, numbers: str, linear: Linear, name: str) -> str:
        return self._coded.bytes_linear(numbers, linear, name)

    def linear_add(self, tokens: str, linear: Linear, residual: str, name: str) -> str:
        return self._coded.linear_add(tokens, linear, residual, name)

    def self_attention(self, joined: str, heads: int, *, causal: bool) -> str:
        return self._coded.self_attention(joined, heads, causal=causal)

    def counted_attention(self, joined: str, heads: int, counts: str) -> str:
        return self._coded.counted_attention(joined, heads, counts)

    def pooled_attention(self, query: str, joined: str, heads: int, counts: str = "") -> str:
        return self._coded.pooled_attention(query, joined, heads, counts)

    def projection(self, rows: str, linear: Linear, name: str) -> str:
        return self._coded.projection(rows, linear, name)

    def _divided(self, tokens: str, linear: Linear, name: str) -> tuple[str, Linear]:
        factors = self.factors[name]
        shares = self.graph.weight(f"{name}.shares", (1 / factors).astype(np.float32))
        weight = (linear.weight * factors).astype(np.float32)
        return self.graph.add("Mul", tokens, shares), replace(linear, weight=weight)
