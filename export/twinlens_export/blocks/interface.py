"""The interface of the blocks that make up a tower; each precision implements it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from twinlens_export.architecture import F32, Activation, Linear, Norm
from twinlens_export.graph.graph import Graph


@dataclass(frozen=True, slots=True, kw_only=True)
class Mlp:
    """The MLP of a layer: fc2(activation(fc1(norm(x))))."""

    norm: Norm | None
    """Pre-norm; None: there is none."""
    fc1: Linear
    activation: Activation
    fc2: Linear


class Blocks(Protocol):
    """Builder that appends the blocks of a tower to a graph.

    Tokens are float32 [B, T, width], referred to by name. `name` is the prefix of a block's
    weights, and may become the name of its output.
    """

    @property
    def graph(self) -> Graph:
        """The graph under construction."""
        ...

    def rows(self, table: F32, ids: str, name: str) -> str:
        """Append an embedding lookup [B, T, width]: table [n, width], int64 ids [B, T]."""
        ...

    def norm(self, tokens: str, norm: Norm, name: str) -> str:
        """Append a layer norm; its arrays are stored at its first use."""
        ...

    def bytes_linear(self, values: str, linear: Linear, name: str) -> str:
        """Append a linear map of uint8 [B, T, in]."""
        ...

    def linear(self, tokens: str, linear: Linear, name: str, *, norm: Norm | None = None) -> str:
        """Append a linear map, after a norm if one is given."""
        ...

    def linear_add(self, tokens: str, linear: Linear, residual: str, name: str) -> str:
        """Append a linear map and a residual sum."""
        ...

    def mlp_add(self, tokens: str, mlp: Mlp, name: str) -> str:
        """Append an MLP and the residual sum with its input."""
        ...

    def self_attention(self, joined: str, heads: int, *, causal: bool) -> str:
        """Append self-attention among the tokens of a text or an image.

        Args:
            joined: queries, keys and values [B, T, 3 * width]; the queries are scaled already.
            heads: number of heads.
            causal: True if a token attends only to itself and those before it.
        """
        ...

    def counted_attention(self, joined: str, heads: int, counts: str) -> str:
        """Append self-attention with padding masked: `counts`, int64 [B], are the rows' lengths."""
        ...

    def pooled_attention(self, query: str, joined: str, heads: int, counts: str = "") -> str:
        """Append attention of one query a row to that row's tokens: [B, 1, width].

        Args:
            query: [B, 1, width], scaled already.
            joined: keys and values [B, T, 2 * width].
            heads: number of heads.
            counts: number of tokens of each row that are attended to, int64 [B]; empty: all.
        """
        ...

    def projection(self, rows: str, linear: Linear, name: str) -> str:
        """Append the tower's last linear map, of float32 [B, width]: one row an item."""
        ...

    def unit_rows(self, rows: str, name: str) -> str:
        """Append rows [B, D] divided by their lengths, under a name: a tower's embeddings."""
        ...


MakeBlocks: TypeAlias = Callable[[Graph], Blocks]
