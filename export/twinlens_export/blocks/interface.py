"""The blocks that towers are built of: one interface, and one way to append them a precision."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from twinlens_export.architecture import F32, Activation, Linear, Norm
from twinlens_export.graph.graph import Graph


@dataclass(frozen=True, slots=True, kw_only=True)
class Mlp:
    """Two linear maps with an activation between them."""

    norm: Norm | None
    """Applied before the first; None: nothing is."""
    widen: Linear
    activation: Activation
    narrow: Linear


class Blocks(Protocol):
    """Appends to a graph what a tower computes.

    Tokens are float32 [B, T, width], spoken of by name. `name` is what the weights of a block are
    stored under, and what the block's answer may be called.
    """

    @property
    def graph(self) -> Graph:
        """What is appended to."""
        ...

    def rows(self, table: F32, ids: str, name: str) -> str:
        """Rows [B, T, width] of a table [n, width] at ids int64 [B, T]."""
        ...

    def norm(self, tokens: str, norm: Norm, name: str) -> str:
        """A layer norm; its arrays are stored at its first use."""
        ...

    def bytes_linear(self, numbers: str, linear: Linear, name: str) -> str:
        """A linear map of uint8 [B, T, in]."""
        ...

    def linear(self, tokens: str, linear: Linear, name: str, *, norm: Norm | None = None) -> str:
        """A linear map, behind a norm or not."""
        ...

    def linear_add(self, tokens: str, linear: Linear, residual: str, name: str) -> str:
        """A linear map, and what it is added to."""
        ...

    def mlp_add(self, tokens: str, mlp: Mlp, name: str) -> str:
        """The tokens plus what an MLP makes of them."""
        ...

    def self_attention(self, joined: str, heads: int, *, causal: bool) -> str:
        """Attention among the tokens of a text or an image.

        Args:
            joined: queries, keys and values [B, T, 3 * width]; the queries are scaled already.
            heads: how many.
            causal: whether a token sees only itself and what stands before it.
        """
        ...

    def counted_attention(self, joined: str, heads: int, counts: str) -> str:
        """As `self_attention`, but a token sees the first of its row: int64 [B] says how many."""
        ...

    def pooled_attention(self, query: str, joined: str, heads: int, counts: str = "") -> str:
        """Attention [B, 1, width] of one query [B, 1, width] to keys and values [B, T, 2 * width].

        It sees all of them, or the first of each row: int64 [B] says how many.
        """
        ...

    def projection(self, rows: str, linear: Linear, name: str) -> str:
        """A linear map of float32 [B, width]: one row an item, and the last thing computed."""
        ...


MakeBlocks: TypeAlias = Callable[[Graph], Blocks]
