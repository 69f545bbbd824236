"""The transformer layers of a tower, appended block by block."""

from dataclasses import dataclass

import numpy as np

from twinlens_export.architecture import Encoder, Layer, Linear, Norm, Pool
from twinlens_export.blocks.interface import Blocks, Mlp


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """The layers of one encoder; tokens are [B, T, width]."""

    blocks: Blocks
    encoder: Encoder
    counts: str = ""
    """How many tokens each text has, int64 [B], where padding is not seen."""

    def all(self, tokens: str) -> str:
        """All layers, on all tokens."""
        return self._last_whole(self.all_but_last(tokens))

    def all_but_last(self, tokens: str) -> str:
        """All layers but the last, on all tokens."""
        for number, layer in enumerate(self.encoder.layers[:-1]):
            tokens = self._whole(tokens, layer, f"layers.{number}")
        return tokens

    def last(self, tokens: str, *, pooled: str, counts: str = "") -> str:
        """The last layer, of which one token is wanted: exact, and 4-7 % less to compute.

        Args:
            tokens: what the layer sees.
            pooled: the token [B, 1, width] among them that is wanted.
            counts: how many tokens of each row it sees, int64 [B]; empty: all.
        """
        layer, name = self.encoder.layers[-1], self._last_name
        blocks, norm = self.blocks, self._before(layer.attention_norm)
        query = scaled(layer.query, self.encoder)
        asking = blocks.linear(pooled, query, f"{name}.query", norm=norm)
        both = joined(layer.key, layer.value)
        seen = blocks.linear(tokens, both, f"{name}.key_value", norm=norm)
        mixed = blocks.pooled_attention(asking, seen, self.encoder.heads, counts)
        return self._rest(pooled, mixed, layer, name)

    def pool(self, tokens: str, pool: Pool, norm: Norm) -> str:
        """What attention by a learnt query makes of all tokens: [B, 1, width].

        Args:
            tokens: of the whole stack.
            pool: the query, and what follows.
            norm: of the tokens.
        """
        blocks, graph, name = self.blocks, self.blocks.graph, "pool"
        scale = np.float32(self.encoder.head_width**-0.5)
        query = graph.weight(f"{name}.query", (pool.query * scale).reshape(1, 1, -1))
        # One query for each image: [B, 1, 1] spreads it.
        ones = graph.constant([1, 1], np.int64)
        images = graph.add("Shape", tokens, start=0, end=1)
        asking = graph.add("Expand", query, graph.add("Concat", images, ones, axis=0))
        both = joined(pool.key, pool.value)
        seen = blocks.linear(tokens, both, f"{name}.key_value", norm=norm)
        answer = blocks.pooled_attention(asking, seen, self.encoder.heads)
        mixed = blocks.linear(answer, pool.mixed, f"{name}.mixed")
        mlp = Mlp(
            norm=pool.mlp_norm,
            widen=pool.widen,
            activation=self.encoder.activation,
            narrow=pool.narrow,
        )
        return blocks.mlp_add(mixed, mlp, f"{name}.mlp")

    def _last_whole(self, tokens: str) -> str:
        return self._whole(tokens, self.encoder.layers[-1], self._last_name)

    @property
    def _last_name(self) -> str:
        return f"layers.{len(self.encoder.layers) - 1}"

    def _whole(self, tokens: str, layer: Layer, name: str) -> str:
        three = joined(scaled(layer.query, self.encoder), layer.key, layer.value)
        norm = self._before(layer.attention_norm)
        seen = self.blocks.linear(tokens, three, f"{name}.query_key_value", norm=norm)
        return self._rest(tokens, self._attention(seen), layer, name)

    def _attention(self, three: str) -> str:
        heads = self.encoder.heads
        if self.encoder.sight == "counted":
            return self.blocks.counted_attention(three, heads, self.counts)
        return self.blocks.self_attention(three, heads, causal=self.encoder.sight == "causal")

    def _rest(self, tokens: str, mixed: str, layer: Layer, name: str) -> str:
        """What follows the attention: its output map, then the two linear maps."""
        tokens = self.blocks.linear_add(mixed, layer.mixed, tokens, f"{name}.mixed")
        tokens = self._after(tokens, layer.attention_norm, f"{name}.attention_norm")
        mlp = Mlp(
            norm=self._before(layer.mlp_norm),
            widen=layer.widen,
            activation=self.encoder.activation,
            narrow=layer.narrow,
        )
        tokens = self.blocks.mlp_add(tokens, mlp, f"{name}.mlp")
        return self._after(tokens, layer.mlp_norm, f"{name}.mlp_norm")

    def _before(self, norm: Norm) -> Norm | None:
        return None if self.encoder.norm_last else norm

    def _after(self, tokens: str, norm: Norm, name: str) -> str:
        return self.blocks.norm(tokens, norm, name) if self.encoder.norm_last else tokens


def scaled(query: Linear, encoder: Encoder) -> Linear:
    """The query with the scores' scale folded in."""
    scale = np.float64(encoder.head_width) ** -0.5
    bias = None if query.bias is None else (query.bias * scale).astype(np.float32)
    return Linear(weight=(query.weight * scale).astype(np.float32), bias=bias)


def joined(*linears: Linear) -> Linear:
    """Linear maps of one input as one map."""
    biases = [
        np.zeros(len(linear.weight), np.float32) if linear.bias is None else linear.bias
        for linear in linears
    ]
    return Linear(
        weight=np.concatenate([linear.weight for linear in linears]), bias=np.concatenate(biases)
    )
