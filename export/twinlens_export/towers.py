"""The two towers as graphs, built from their weights by hand, block by block."""

from typing import Final

import numpy as np
import onnx

from twinlens_export.anatomy import ImageTower, Linear, Norm, TextTower
from twinlens_export.blocks import Blocks, MakeBlocks
from twinlens_export.float_blocks import FloatBlocks, add_first
from twinlens_export.graph import Graph, Port
from twinlens_export.layers import Stack

IMAGE_INPUT: Final = "pixel_values"
IMAGE_OUTPUT: Final = "image_embeds"
TEXT_INPUT: Final = "input_ids"
TEXT_OUTPUT: Final = "text_embeds"

_FLOAT: Final = int(onnx.TensorProto.FLOAT)


def image_graph(tower: ImageTower, make_blocks: MakeBlocks = FloatBlocks) -> Graph:
    """uint8 pixels [B, S, S, 3] to unit rows [B, D]."""
    side, width = tower.side_px, len(tower.projection.weight)
    graph = Graph(
        name="image tower",
        input=Port(name=IMAGE_INPUT, dtype=np.uint8, shape=("batch", side, side, 3)),
        output=Port(name=IMAGE_OUTPUT, dtype=np.float32, shape=("batch", width)),
    )
    blocks = make_blocks(graph)
    tokens = blocks.norm(_image_tokens(blocks, tower), tower.input_norm, "input_norm")
    stack = Stack(blocks=blocks, encoder=tower.encoder)
    tokens = stack.all_but_last(tokens)
    pooled = stack.last(tokens, pooled=add_first(graph, tokens))
    _embedding(blocks, pooled, tower.output_norm, tower.projection)
    return graph


def text_graph(tower: TextTower, make_blocks: MakeBlocks = FloatBlocks) -> Graph:
    """int64 ids [B, T] to unit rows [B, D]; T may be anything up to the context."""
    graph = Graph(
        name="text tower",
        input=Port(name=TEXT_INPUT, dtype=np.int64, shape=("batch", "tokens")),
        output=Port(
            name=TEXT_OUTPUT, dtype=np.float32, shape=("batch", len(tower.projection.weight))
        ),
    )
    blocks = make_blocks(graph)
    zero, one = graph.constant([0], np.int64), graph.constant([1], np.int64)
    length = graph.add("Shape", TEXT_INPUT, start=1, end=2)
    words = blocks.rows(tower.tokens, TEXT_INPUT, "words")
    places = graph.add("Slice", graph.weight("positions", tower.positions), zero, length, zero)
    stack = Stack(blocks=blocks, encoder=tower.encoder, causal=True)
    tokens = stack.all_but_last(graph.add("Add", words, places))
    end = _end_place(graph, tower)
    pooled = graph.add("GatherND", tokens, graph.add("Unsqueeze", end, one), batch_dims=1)
    counts = graph.add("Add", graph.add("Squeeze", end, one), one)
    pooled = stack.last(tokens, pooled=pooled, counts=counts)
    _embedding(blocks, pooled, tower.output_norm, tower.projection)
    return graph


def _image_tokens(blocks: Blocks, tower: ImageTower) -> str:
    """The class token and the patches [B, 1 + patches, width], positions added."""
    graph = blocks.graph
    patch, grid = tower.patch_px, tower.side_px // tower.patch_px
    cut = tower.side_px - tower.side_px % tower.patch_px
    pixels = IMAGE_INPUT
    if cut != tower.side_px:
        # A convolution drops the pixels that fill no patch.
        bounds = [graph.constant(bound, np.int64) for bound in ([0, 0], [cut, cut], [1, 2])]
        pixels = graph.add("Slice", pixels, *bounds)
    shape = graph.constant([0, grid, patch, grid, patch * 3], np.int64)
    rows = graph.add("Transpose", graph.add("Reshape", pixels, shape), perm=[0, 1, 3, 2, 4])
    shape = graph.constant([0, grid * grid, patch * patch * 3], np.int64)
    numbers = graph.add("Reshape", rows, shape)
    patches = blocks.bytes_linear(numbers, _folded_patches(tower), "patches")
    # A row of zeros in front makes room for the class token, which is the same for all images.
    front = graph.constant([0, 1, 0, 0, 0, 0], np.int64)
    positions = tower.positions.copy()
    positions[0] += tower.class_embedding
    graph.weight("positions", positions)
    return graph.add("Add", graph.add("Pad", patches, front), "positions")


def _folded_patches(tower: ImageTower) -> Linear:
    """The patch projection of raw pixels: a patch's bytes as they lie in the image."""
    mean = np.asarray(tower.pixels.mean, dtype=np.float64)
    std = np.asarray(tower.pixels.std, dtype=np.float64)
    weight = tower.patches.astype(np.float64).transpose(0, 2, 3, 1) / std  # colours last
    bias = -np.einsum("wijc,c->w", weight, mean)
    weight = (weight * tower.pixels.factor).reshape(len(weight), -1)
    return Linear(weight=weight.astype(np.float32), bias=bias.astype(np.float32))


def _end_place(graph: Graph, tower: TextTower) -> str:
    """Where each text ends [B, 1]: the token that the tower is pooled at."""
    marks = TEXT_INPUT
    if tower.end_id is not None:
        marks = graph.add("Equal", TEXT_INPUT, graph.constant(tower.end_id, np.int64))
    # In float32, which is exact up to 2^24 ids: CUDA's ArgMax takes no integers.
    marks = graph.add("Cast", marks, to=_FLOAT)
    return graph.add("ArgMax", marks, axis=1)


def _embedding(blocks: Blocks, pooled: str, norm: Norm, projection: Linear) -> None:
    """The pooled token [B, 1, width] as the graph's output, a unit row."""
    graph = blocks.graph
    one = graph.constant([1], np.int64)
    pooled = graph.add("Squeeze", blocks.norm(pooled, norm, "output_norm"), one)
    rows = blocks.projection(pooled, projection, "projection")
    graph.add("Div", rows, graph.add("ReduceL2", rows, one, keepdims=1), name=graph.output.name)
