"""The encoder of a tower, appended to a graph layer by layer.

The names of weights ("mixed", "mlp.widen", ...) are part of the file format.
"""

from dataclasses import dataclass

import numpy as np

from twinlens_export.architecture import AttentionPool, Encoder, Layer, Linear, Norm
from twinlens_export.blocks.interface import Blocks, Mlp


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderGraph:
    """Builder of one encoder's layers; tokens are [B, T, width]."""

    blocks: Blocks
    encoder: Encoder
    counts: str = ""
    """Number of tokens of each text, int64 [B], for the attention mask "padding"."""

    def all(self, tokens: str) -> str:
        """Append all layers, for all tokens."""
        return self._layer(self.all_but_last(tokens), self.encoder.layers[-1], self._last_name)

    def all_but_last(self, tokens: str) -> str:
        """Append all layers but the last, for all tokens."""
        for number, layer in enumerate(self.encoder.layers[:-1]):
            tokens = self._layer(tokens, layer, f"layers.{number}")
        return tokens

    def last(self, tokens: str, *, pooled: str, counts: str = "") -> str:
        """Append the last layer for the pooled token alone: exact, and 4-7 % less to compute.

        Args:
            tokens: the layer's input.
            pooled: the pooled token [B, 1, width] among them.
            counts: number of tokens of each row that it attends to, int64 [B]; empty: all.
        """
        layer, name = self.encoder.layers[-1], self._last_name
        blocks, norm = self.blocks, self._pre_norm(layer.attention_norm)
        scaled_query = scaled(layer.query, self.encoder)
        query = blocks.linear(pooled, scaled_query, f"{name}.query", norm=norm)
        key_value = concatenated(layer.key, layer.value)
        joined = blocks.linear(tokens, key_value, f"{name}.key_value", norm=norm)
        attended = blocks.pooled_attention(query, joined, self.encoder.heads, counts)
        return self._after_attention(pooled, attended, layer, name)

    def pool(self, tokens: str, pool: AttentionPool, norm: Norm) -> str:
        """Append attention pooling of all tokens: [B, 1, width].

        Args:
            tokens: output of all layers.
            pool: the learnt query, and the maps after it.
            norm: of the tokens.
        """
        blocks, graph, name = self.blocks, self.blocks.graph, "pool"
        scale = np.float32(self.encoder.head_width**-0.5)
        learnt = graph.weight(f"{name}.query", (pool.query * scale).reshape(1, 1, -1))
        # One query for each image: the shape [B, 1, 1] broadcasts it.
        ones = graph.constant([1, 1], np.int64)
        images = graph.add("Shape", tokens, start=0, end=1)
        query = graph.add("Expand", learnt, graph.add("Concat", images, ones, axis=0))
        key_value = concatenated(pool.key, pool.value)
        joined = blocks.linear(tokens, key_value, f"{name}.key_value", norm=norm)
        attended = blocks.pooled_attention(query, joined, self.encoder.heads)
        projected = blocks.linear(attended, pool.out_proj, f"{name}.mixed")
        mlp = Mlp(
            norm=pool.mlp_norm, fc1=pool.fc1, activation=self.encoder.activation, fc2=pool.fc2
        )
        return blocks.mlp_add(projected, mlp, f"{name}.mlp")

    @property
    def _last_name(self) -> str:
        return f"layers.{len(self.encoder.layers) - 1}"

    def _layer(self, tokens: str, layer: Layer, name: str) -> str:
        qkv = concatenated(scaled(layer.query, self.encoder), layer.key, layer.value)
        norm = self._pre_norm(layer.attention_norm)
        joined = self.blocks.linear(tokens, qkv, f"{name}.query_key_value", norm=norm)
        return self._after_attention(tokens, self._attention(joined), layer, name)

    def _attention(self, joined: str) -> str:
        heads, mask = self.encoder.heads, self.encoder.attention_mask
        if mask == "padding":
            return self.blocks.counted_attention(joined, heads, self.counts)
        return self.blocks.self_attention(joined, heads, causal=mask == "causal")

    def _after_attention(self, tokens: str, attended: str, layer: Layer, name: str) -> str:
        """Append the rest of a layer: the attention's output projection and the MLP."""
        tokens = self.blocks.linear_add(attended, layer.out_proj, tokens, f"{name}.mixed")
        tokens = self._post_norm(tokens, layer.attention_norm, f"{name}.attention_norm")
        mlp = Mlp(
            norm=self._pre_norm(layer.mlp_norm),
            fc1=layer.fc1,
            activation=self.encoder.activation,
            fc2=layer.fc2,
        )
        tokens = self.blocks.mlp_add(tokens, mlp, f"{name}.mlp")
        return self._post_norm(tokens, layer.mlp_norm, f"{name}.mlp_norm")

    def _pre_norm(self, norm: Norm) -> Norm | None:
        return None if self.encoder.post_norm else norm

    def _post_norm(self, tokens: str, norm: Norm, name: str) -> str:
        return self.blocks.norm(tokens, norm, name) if self.encoder.post_norm else tokens


def scaled(query: Linear, encoder: Encoder) -> Linear:
    """Fold the scale of the attention scores into the query projection."""
    scale = np.float64(encoder.head_width) ** -0.5
    bias = None if query.bias is None else (query.bias * scale).astype(np.float32)
    return Linear(weight=(query.weight * scale).astype(np.float32), bias=bias)


def concatenated(*linears: Linear) -> Linear:
    """Concatenate the outputs of linear maps with the same input into one map."""
    biases = [
        np.zeros(len(linear.weight), np.float32) if linear.bias is None else linear.bias
        for linear in linears
    ]
    return Linear(
        weight=np.concatenate([linear.weight for linear in linears]), bias=np.concatenate(biases)
    )
