"""The graphs of traced towers: a body between the inputs and the output of every tower.

Their linear maps and large tables are blocks of a precision; their other nodes stay as they were
traced.
"""

import numpy as np
import onnx

from twinlens_export.architecture import Linear, TracedImageTower, TracedTextTower
from twinlens_export.blocks.fp32 import FloatBlocks
from twinlens_export.blocks.interface import Blocks, MakeBlocks
from twinlens_export.graph.body import ROWS, Body, DenseStep, TableStep
from twinlens_export.graph.graph import Graph
from twinlens_export.graph.names import IMAGE_INPUT, PIXEL_SCALE, PIXEL_SHIFT, TEXT_INPUT
from twinlens_export.towers.ends import add_unit_rows, new_graph

_FLOAT = int(onnx.TensorProto.FLOAT)


def traced_image_graph(tower: TracedImageTower, make_blocks: MakeBlocks = FloatBlocks) -> Graph:
    """Build the graph of a traced image tower: uint8 pixels [B, S, S, 3] to unit rows [B, D]."""
    graph = new_graph("image", tower.output_width, side_px=tower.side_px)
    planes = graph.add("Transpose", IMAGE_INPUT, perm=[0, 3, 1, 2])
    floats = graph.add("Cast", planes, to=_FLOAT)
    normalization = tower.normalization
    mean, std = (
        np.asarray(part, np.float64).reshape(1, 3, 1, 1)
        for part in (normalization.mean, normalization.std)
    )
    scale = graph.weight(PIXEL_SCALE, (normalization.factor / std).astype(np.float32))
    shift = graph.weight(PIXEL_SHIFT, (mean / std).astype(np.float32))
    normalised = graph.add("Sub", graph.add("Mul", floats, scale), shift)
    add_unit_rows(graph, add_body(make_blocks(graph), tower.body, normalised))
    return graph


def traced_text_graph(tower: TracedTextTower, make_blocks: MakeBlocks = FloatBlocks) -> Graph:
    """Build the graph of a traced text tower: int64 ids [B, T] to unit rows [B, D]."""
    graph = new_graph("text", tower.output_width)
    add_unit_rows(graph, add_body(make_blocks(graph), tower.body, TEXT_INPUT))
    return graph


def add_body(blocks: Blocks, body: Body, given: str) -> str:
    """Append a body that reads the given tensor, and return its output."""
    graph, names = blocks.graph, {body.input: given}
    for stored in body.arrays:
        # The names of blocks begin with those of modules too, and end otherwise.
        names[stored.name] = graph.weight(f"{stored.name}.read", stored.array)
    for step in body.steps:
        if isinstance(step, DenseStep):
            tokens = names.get(step.given, step.given)
            names[step.output] = _add_dense(blocks, step, tokens)
        elif isinstance(step, TableStep):
            ids = names.get(step.given, step.given)
            names[step.output] = blocks.rows(step.table, ids, step.name)
        else:
            graph.nodes.append(step.with_inputs(names.get(name, name) for name in step.inputs))
    return names.get(body.output, body.output)


def _add_dense(blocks: Blocks, step: DenseStep, tokens: str) -> str:
    """Append a linear map of rows [B, in], tokens [B, T, in] or planes [B, H, W, in]."""
    graph, linear = blocks.graph, Linear(weight=step.weight, bias=step.bias)
    rank = len(step.shape)
    if rank == ROWS:
        return blocks.projection(tokens, linear, step.name)
    if rank == 3:
        return blocks.linear(tokens, linear, step.name)
    outputs, inputs = step.weight.shape
    flat = graph.add("Reshape", tokens, graph.constant([0, -1, inputs], np.int64))
    mapped = blocks.linear(flat, linear, step.name)
    sizes = graph.add("Shape", tokens, start=0, end=rank - 1)
    shape = graph.add("Concat", sizes, graph.constant([outputs], np.int64), axis=0)
    return graph.add("Reshape", mapped, shape)
