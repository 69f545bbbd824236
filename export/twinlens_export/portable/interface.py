"""The passes that give a tower the inputs and the output that other tools know."""

from dataclasses import replace
from typing import Final

import numpy as np
import onnx

from twinlens.bundle.specs import TextSpec
from twinlens_export.architecture import PixelNormalization
from twinlens_export.graph.graph import Graph, GraphBuilder
from twinlens_export.graph.names import PIXEL_SCALE, PIXEL_SHIFT, names_in

_INT64: Final = int(onnx.TensorProto.INT64)
_UINT8: Final = int(onnx.TensorProto.UINT8)
PRODUCT_OF_BYTES: Final = "MatMulInteger"


def float_pixels(graph: Graph, normalization: PixelNormalization) -> Graph:
    """Return an image tower that takes float32 [B, 3, S, S] as an image processor makes it.

    Three nodes undo the normalisation, so that the tower sees levels of 0..255 with the colours
    last. A tower that multiplies integers sees whole ones: three more round them to bytes.
    """
    batch, height, width, colours = graph.input.shape
    mean, std = (
        np.asarray(part, np.float64)[None, :, None, None]
        for part in (normalization.mean, normalization.std)
    )
    front = GraphBuilder(name="levels")
    scale = front.weight(PIXEL_SCALE, (std / normalization.factor).astype(np.float32))
    shift = front.weight(PIXEL_SHIFT, (mean / normalization.factor).astype(np.float32))
    scaled = front.add("Mul", graph.input.name, scale, name="pixels.scaled")
    levels = front.add("Add", scaled, shift, name="pixels.levels")
    if any(node.op == PRODUCT_OF_BYTES for node in graph.nodes):
        whole = front.add("Round", levels, name="pixels.whole")
        bounds = [front.constant(bound, np.float32) for bound in (0, 255)]
        clipped = front.add("Clip", whole, *bounds, name="pixels.clipped")
        levels = front.add("Cast", clipped, name="pixels.bytes", to=_UINT8)
    front.add("Transpose", levels, name="pixels", perm=[0, 2, 3, 1])
    shape = (batch, colours, height, width)
    given = replace(graph.input, dtype=np.float32, shape=shape)
    return _behind(front, replace(graph, input=given), "pixels")


def whole_ids(graph: Graph, spec: TextSpec) -> Graph:
    """Return a text tower that takes ids of any length, padded and truncated by any tool.

    Six nodes cut them to the context and put the end token back where a tool has cut it off. Where
    the tower needs the full context, they also pad to it, and more nodes put its own padding in the
    place of the tool's: OpenCLIP's is a letter, which no tool pads with.
    """
    front, context = GraphBuilder(name="ids"), spec.context
    given = graph.input.name
    pads, axis = front.constant([0, 0, 0, context], np.int64), front.constant([1], np.int64)
    pad = front.constant(spec.pad_id, np.int64)
    padded = front.add("Pad", given, pads, pad, name="ids.padded")
    if spec.end_id is None:
        bounds = [front.constant([bound], np.int64) for bound in (0, context)]
        front.add("Slice", given if spec.trim else padded, *bounds, axis, name="ids")
        return _behind(front, graph, "ids")
    first, last, end = (front.constant([place], np.int64) for place in (0, context - 1, context))
    final = front.add("Slice", padded, last, end, axis, name="ids.final")
    is_padding = front.add("Equal", final, pad, name="ids.is_padding")
    mark = front.constant(spec.end_id, np.int64)
    ended = front.add("Where", is_padding, pad, mark, name="ids.ended")
    body = front.add("Slice", given if spec.trim else padded, first, last, axis, name="ids.body")
    whole = front.add("Concat", body, ended, name="ids" if spec.trim else "ids.whole", axis=1)
    if not spec.trim:
        is_end = front.add("Equal", whole, mark, name="ids.is_end")
        ends = front.add("Cast", is_end, name="ids.ends", to=_INT64)
        along = front.constant(1, np.int64)
        before = front.add("CumSum", ends, along, name="ids.ends_before", exclusive=1)
        is_behind = front.add("Greater", before, first, name="ids.is_behind")
        front.add("Where", is_behind, pad, whole, name="ids")
    return _behind(front, graph, "ids")


def _behind(front: GraphBuilder, graph: Graph, result: str) -> Graph:
    """Put nodes in front of a graph, whose nodes read `result` in the place of its input."""
    given, names = graph.input.name, names_in(graph, front)
    first = [
        replace(
            node,
            name=names[node.name],
            inputs=tuple(names.get(name, name) for name in node.inputs),
            outputs=tuple(names[name] for name in node.outputs),
        )
        for node in front.nodes
    ]
    rest = [
        node.with_inputs(names[result] if name == given else name for name in node.inputs)
        for node in graph.nodes
    ]
    arrays = {names[name]: array for name, array in front.weights.items()}
    return replace(graph, nodes=[*first, *rest], weights={**graph.weights, **arrays})


def with_output(graph: Graph, name: str) -> Graph:
    """Return the graph with another name of its output."""
    *nodes, last = graph.nodes
    assert last.outputs == (graph.output.name,), f"{graph.name} ends with {last.name}"
    renamed = replace(last, name=name, outputs=(name,))
    return replace(graph, nodes=[*nodes, renamed], output=replace(graph.output, name=name))
