"""The graphs of the two towers, built from their weights block by block."""

from typing import Final

import numpy as np
import onnx

from twinlens_export.architecture import (
    AnyImageTower,
    AnyTextTower,
    ImageTower,
    Linear,
    Norm,
    TextTower,
    TracedImageTower,
    TracedTextTower,
)
from twinlens_export.blocks.fp32 import FloatBlocks, add_first
from twinlens_export.blocks.interface import Blocks, MakeBlocks
from twinlens_export.graph.graph import Graph
from twinlens_export.graph.names import IMAGE_INPUT, TEXT_INPUT
from twinlens_export.towers.encoder import EncoderGraph
from twinlens_export.towers.ends import new_graph
from twinlens_export.towers.traced_graphs import traced_image_graph, traced_text_graph

_FLOAT: Final = int(onnx.TensorProto.FLOAT)
_INT: Final = int(onnx.TensorProto.INT64)


def image_graph(tower: AnyImageTower, make_blocks: MakeBlocks = FloatBlocks) -> Graph:
    """Build the graph of an image tower: uint8 pixels [B, S, S, 3] to unit rows [B, D]."""
    if isinstance(tower, TracedImageTower):
        return traced_image_graph(tower, make_blocks)
    graph = new_graph("image", tower.output_width, side_px=tower.side_px)
    blocks = make_blocks(graph)
    tokens = _normed(blocks, _image_tokens(blocks, tower), tower.input_norm, "input_norm")
    encoder = EncoderGraph(blocks=blocks, encoder=tower.encoder)
    if tower.pool is not None:
        pooled = encoder.pool(encoder.all(tokens), tower.pool, tower.output_norm)
    elif tower.pooling == "mean":
        pooled = add_patch_mean(graph, encoder.all(tokens))
        pooled = blocks.norm(pooled, tower.output_norm, "output_norm")
    else:
        tokens = encoder.all_but_last(tokens)
        pooled = encoder.last(tokens, pooled=add_first(graph, tokens))
        pooled = blocks.norm(pooled, tower.output_norm, "output_norm")
    _embedding(blocks, pooled, tower.projection)
    return graph


def text_graph(tower: AnyTextTower, make_blocks: MakeBlocks = FloatBlocks) -> Graph:
    """Build the graph of a text tower: int64 ids [B, T] to unit rows [B, D].

    T is at most the context; it is the context if the attention mask is "full".
    """
    if isinstance(tower, TracedTextTower):
        return traced_text_graph(tower, make_blocks)
    graph = new_graph("text", tower.output_width)
    blocks = make_blocks(graph)
    tokens = _text_tokens(blocks, tower)
    counts = _counts(graph, tower) if tower.encoder.attention_mask == "padding" else ""
    encoder = EncoderGraph(blocks=blocks, encoder=tower.encoder, counts=counts)
    if tower.pooling == "mean":
        pooled = _mean(blocks, encoder.all(tokens), tower.encoder.heads, counts)
    else:
        tokens = encoder.all_but_last(tokens)
        pooled, counts = _pooled(graph, tokens, tower, counts)
        pooled = encoder.last(tokens, pooled=pooled, counts=counts)
    pooled = _normed(blocks, pooled, tower.output_norm, "output_norm")
    _embedding(blocks, pooled, tower.projection)
    return graph


def add_patch_mean(graph: Graph, tokens: str) -> str:
    """Append the mean of all tokens but the class token: [B, 1, width]."""
    first, end, axis = (graph.constant([bound], np.int64) for bound in (1, 2**31 - 1, 1))
    patches = graph.add("Slice", tokens, first, end, axis)
    return graph.add("ReduceMean", patches, axis, keepdims=1)


def _image_tokens(blocks: Blocks, tower: ImageTower) -> str:
    """Append the patch embedding: class token, if any, and patches with positions [B, T, width]."""
    graph = blocks.graph
    patch, grid = tower.patch_px, tower.side_px // tower.patch_px
    cut = tower.side_px - tower.side_px % tower.patch_px
    pixels = IMAGE_INPUT
    if cut != tower.side_px:
        # As a convolution does: drop the pixels beyond the last whole patch.
        bounds = [graph.constant(bound, np.int64) for bound in ([0, 0], [cut, cut], [1, 2])]
        pixels = graph.add("Slice", pixels, *bounds)
    shape = graph.constant([0, grid, patch, grid, patch * 3], np.int64)
    rows = graph.add("Transpose", graph.add("Reshape", pixels, shape), perm=[0, 1, 3, 2, 4])
    shape = graph.constant([0, grid * grid, patch * patch * 3], np.int64)
    numbers = graph.add("Reshape", rows, shape)
    patches = blocks.bytes_linear(numbers, _folded_patch_embedding(tower), "patches")
    positions = tower.position_embedding
    if tower.class_embedding is not None:
        # The class token is the same for all images: a row of zeros, and its embedding added to
        # the first position.
        patches = graph.add("Pad", patches, graph.constant([0, 1, 0, 0, 0, 0], np.int64))
        positions = positions.copy()
        positions[0] += tower.class_embedding
    return graph.add("Add", patches, graph.weight("positions", positions))


def _folded_patch_embedding(tower: ImageTower) -> Linear:
    """Fold the normalisation of pixels into the patch embedding, of bytes in the image's order."""
    mean = np.asarray(tower.normalization.mean, dtype=np.float64)
    std = np.asarray(tower.normalization.std, dtype=np.float64)
    weight = tower.patch_embedding.astype(np.float64).transpose(0, 2, 3, 1) / std  # colours last
    bias = -np.einsum("wijc,c->w", weight, mean)
    if tower.patch_bias is not None:
        bias += tower.patch_bias
    weight = (weight * tower.normalization.factor).reshape(len(weight), -1)
    return Linear(weight=weight.astype(np.float32), bias=bias.astype(np.float32))


def _text_tokens(blocks: Blocks, tower: TextTower) -> str:
    """Append token and position embeddings [B, T, width]."""
    graph = blocks.graph
    zero = graph.constant([0], np.int64)
    length = graph.add("Shape", TEXT_INPUT, start=1, end=2)
    tokens = blocks.rows(tower.token_embedding, TEXT_INPUT, "words")
    table = graph.weight("positions", tower.position_embedding)
    positions = graph.add("Slice", table, zero, length, zero)
    return _normed(blocks, graph.add("Add", tokens, positions), tower.input_norm, "input_norm")


def _counts(graph: Graph, tower: TextTower) -> str:
    """Append the number of tokens of each text without padding: int64 [B]."""
    padding = graph.add("Equal", TEXT_INPUT, graph.constant(tower.pad_id, np.int64))
    tokens = graph.add("Cast", graph.add("Not", padding), to=_INT)
    counts = graph.add("ReduceSum", tokens, graph.constant([1], np.int64), keepdims=0)
    if not tower.padded_by_end:
        return counts
    counts = graph.add("Add", counts, graph.constant([1], np.int64))
    # A text without an end, as another tool may cut it, has no more tokens than there are.
    return graph.add("Min", counts, graph.add("Shape", TEXT_INPUT, start=1, end=2))


def _pooled(graph: Graph, tokens: str, tower: TextTower, counts: str) -> tuple[str, str]:
    """Append the pooled token [B, 1, width], and the number of tokens that it attends to."""
    if tower.pooling == "eos":
        pooled, length = _end(graph, tokens, tower)
        return pooled, length if tower.encoder.attention_mask == "causal" else counts
    pooled = add_first(graph, tokens) if tower.pooling == "first" else _last(graph, tokens)
    return pooled, counts


def _mean(blocks: Blocks, tokens: str, heads: int, counts: str) -> str:
    """Append the mean [B, 1, width] of the first tokens of each text, as many as `counts` says.

    An attention whose scores are all 0 is the mean. A sum by itself would take its terms in an
    order that depends on the padding; the attention of every precision leaves that out.
    """
    graph = blocks.graph
    nothing = graph.add("Mul", add_first(graph, tokens), graph.constant(0, np.float32))
    joined = graph.add("Concat", tokens, tokens, axis=-1)
    return blocks.pooled_attention(nothing, joined, heads, counts)


def _end(graph: Graph, tokens: str, tower: TextTower) -> tuple[str, str]:
    """Append the end token of each text [B, 1, width], and the number of tokens up to it [B]."""
    one = graph.constant([1], np.int64)
    matches = TEXT_INPUT
    if tower.end_id is not None:
        matches = graph.add("Equal", TEXT_INPUT, graph.constant(tower.end_id, np.int64))
    # In float32, which is exact up to 2^24 ids: CUDA's ArgMax takes no integers.
    position = graph.add("ArgMax", graph.add("Cast", matches, to=_FLOAT), axis=1)
    pooled = graph.add("GatherND", tokens, graph.add("Unsqueeze", position, one), batch_dims=1)
    return pooled, graph.add("Add", graph.add("Squeeze", position, one), one)


def _last(graph: Graph, tokens: str) -> str:
    """Append the last token of each text, padding or not: [B, 1, width]."""
    bounds = [graph.constant(bound, np.int64) for bound in ([-1], [2**31 - 1], [1])]
    return graph.add("Slice", tokens, *bounds)


def _normed(blocks: Blocks, tokens: str, norm: Norm | None, name: str) -> str:
    return tokens if norm is None else blocks.norm(tokens, norm, name)


def _embedding(blocks: Blocks, pooled: str, projection: Linear | None) -> None:
    """Append projection and L2 norm of the pooled token [B, 1, width]: the graph's output."""
    graph = blocks.graph
    rows = graph.add("Squeeze", pooled, graph.constant([1], np.int64))
    if projection is not None:
        rows = blocks.projection(rows, projection, "projection")
    blocks.unit_rows(rows, graph.output.name)
