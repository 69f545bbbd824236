"""The two towers as graphs in float32, built from their weights by hand."""

from typing import Final

import numpy as np
import onnx

from twinlens_export.anatomy import F32, F64, ImageTower, Linear, Norm, TextTower
from twinlens_export.graph import Graph, Port
from twinlens_export.layers import Stack, add_first, add_linear, add_norm

IMAGE_INPUT: Final = "pixel_values"
IMAGE_OUTPUT: Final = "image_embeds"
TEXT_INPUT: Final = "input_ids"
TEXT_OUTPUT: Final = "text_embeds"

_FLOAT: Final = int(onnx.TensorProto.FLOAT)


def image_graph(tower: ImageTower) -> Graph:
    """uint8 pixels [B, S, S, 3] to unit rows [B, D]."""
    side, width = tower.side_px, len(tower.projection.weight)
    graph = Graph(
        name="image tower",
        input=Port(name=IMAGE_INPUT, dtype=np.uint8, shape=("batch", side, side, 3)),
        output=Port(name=IMAGE_OUTPUT, dtype=np.float32, shape=("batch", width)),
    )
    tokens = add_norm(graph, _image_tokens(graph, tower), tower.input_norm, "input_norm")
    stack = Stack(graph=graph, encoder=tower.encoder)
    tokens = stack.all_but_last(tokens)
    pooled = stack.last(tokens, pooled=add_first(graph, tokens))
    _embedding(graph, pooled, tower.output_norm, tower.projection)
    return graph


def text_graph(tower: TextTower) -> Graph:
    """int64 ids [B, T] to unit rows [B, D]; T may be anything up to the context."""
    graph = Graph(
        name="text tower",
        input=Port(name=TEXT_INPUT, dtype=np.int64, shape=("batch", "tokens")),
        output=Port(
            name=TEXT_OUTPUT, dtype=np.float32, shape=("batch", len(tower.projection.weight))
        ),
    )
    zero, one = graph.constant([0], np.int64), graph.constant([1], np.int64)
    length = graph.add("Shape", TEXT_INPUT, start=1, end=2)
    words = graph.add("Gather", graph.weight("tokens", tower.tokens), TEXT_INPUT, name="words")
    places = graph.add("Slice", graph.weight("positions", tower.positions), zero, length, zero)
    tokens = graph.add("Add", words, places)
    # [T, T]: a token sees itself and what stands before it.
    whole = np.triu(np.full((tower.context, tower.context), -np.inf, dtype=np.float32), k=1)
    rows = graph.add("Slice", graph.weight("causal_mask", whole), zero, length, zero)
    mask = graph.add("Slice", rows, zero, length, one)
    stack = Stack(graph=graph, encoder=tower.encoder)
    tokens = stack.all_but_last(tokens, mask=mask)
    end = _end_place(graph, tower)
    pooled = graph.add("GatherND", tokens, graph.add("Unsqueeze", end, one), batch_dims=1)
    end_mask = graph.add("Unsqueeze", graph.add("Gather", mask, end), one)
    pooled = stack.last(tokens, pooled=pooled, mask=end_mask)
    _embedding(graph, pooled, tower.output_norm, tower.projection)
    return graph


def _image_tokens(graph: Graph, tower: ImageTower) -> str:
    """The class token and the patches [B, 1 + patches, width], positions added."""
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
    # Cast last: moving bytes costs a quarter of moving floats.
    patches = graph.add("Cast", graph.add("Reshape", rows, shape), to=_FLOAT)
    weight, bias = _folded_patches(tower)
    graph.weight("patches.weight", weight)
    patches = graph.add("MatMul", patches, "patches.weight", name="patches")
    # A row of zeros in front makes room for the class token, which is the same for all images.
    front = graph.constant([0, 1, 0, 0, 0, 0], np.int64)
    positions = tower.positions.astype(np.float64)
    positions[0] += tower.class_embedding
    positions[1:] += bias
    graph.weight("positions", positions.astype(np.float32))
    return graph.add("Add", graph.add("Pad", patches, front), "positions")


def _folded_patches(tower: ImageTower) -> tuple[F32, F64]:
    """The patch projection of raw pixels: weight [patch * patch * 3, width] and bias [width]."""
    mean = np.asarray(tower.pixels.mean, dtype=np.float64)
    std = np.asarray(tower.pixels.std, dtype=np.float64)
    # [patch, patch, 3, width]: the order in which a patch's bytes lie in the image.
    weight = tower.patches.astype(np.float64).transpose(2, 3, 1, 0) / std[:, None]
    bias = -np.einsum("ijcw,c->w", weight, mean)
    return (weight * tower.pixels.factor).reshape(-1, weight.shape[3]).astype(np.float32), bias


def _end_place(graph: Graph, tower: TextTower) -> str:
    """Where each text ends [B, 1]: the token that the tower is pooled at."""
    marks = TEXT_INPUT
    if tower.end_id is not None:
        marks = graph.add("Equal", TEXT_INPUT, graph.constant(tower.end_id, np.int64))
    # In float32, which is exact up to 2^24 ids: CUDA's ArgMax takes no integers.
    marks = graph.add("Cast", marks, to=_FLOAT)
    return graph.add("ArgMax", marks, axis=1)


def _embedding(graph: Graph, pooled: str, norm: Norm, projection: Linear) -> None:
    """The pooled token [B, 1, width] as the graph's output, a unit row."""
    one = graph.constant([1], np.int64)
    pooled = graph.add("Squeeze", add_norm(graph, pooled, norm, "output_norm"), one)
    rows = add_linear(graph, pooled, projection, "projection")
    graph.add("Div", rows, graph.add("ReduceL2", rows, one, keepdims=1), name=graph.output.name)
