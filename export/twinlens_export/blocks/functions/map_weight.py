"""The weight of a linear map inside an ONNX function: the names of its parts, and their shape."""

from dataclasses import dataclass

import numpy as np

from twinlens_export.graph.graph import GraphBuilder, Ref


@dataclass(frozen=True, slots=True)
class MapWeight:
    """Names of a weight's parts inside a function."""

    parts: tuple[str, ...]
    """In the order of a call; a bias is the last."""
    prefix: str = ""
    width: str = "inputs"
    """The attribute with the width of its input."""

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of all parts, in the order of a call."""
        return tuple(f"{self.prefix}{part}" for part in self.parts)

    @property
    def bias(self) -> str:
        """float32 [out]."""
        return self.inputs[-1]


@dataclass(frozen=True, slots=True, kw_only=True)
class MapWeights:
    """The weights of a function: the only one, or the first and the second of two."""

    only: MapWeight
    first: MapWeight
    """Of fc1 of an MLP, or the projection to queries, keys and values of an attention."""
    second: MapWeight
    """Of fc2 of an MLP, or the output projection of an attention."""


def weights_of(*parts: str) -> MapWeights:
    """Return the weights whose parts have these names and a bias.

    The prefixes are part of the file format.
    """
    named = (*parts, "bias")
    return MapWeights(
        only=MapWeight(named),
        first=MapWeight(named, "widen."),
        second=MapWeight(named, "narrow.", "middle"),
    )


def add_unblocked(
    body: GraphBuilder, blocked: str, width: str, outputs: str, *, perm: list[int]
) -> str:
    """Append the matrix [in, out] of a weight that is packed in blocks of both its dimensions.

    Every step is constant-folded, so it is done once, when the file is opened.

    `perm` is that of the dimensions of inputs, then the two of outputs. Blocks are padded beyond
    the attribute `width`, the number of inputs, and beyond the length of the tensor `outputs`.
    """
    transposed = body.add("Transpose", blocked, perm=perm)
    shape = body.add("Shape", transposed)
    start, stop = body.constant([0], np.int64), body.constant([len(perm) - 2], np.int64)
    inner = body.add("Slice", shape, start, stop)
    rows = body.add("ReduceProd", inner, keepdims=1)
    sides = body.add("Concat", rows, body.constant([-1], np.int64), axis=0)
    matrix = body.add("Reshape", transposed, sides)
    inputs = body.add("Constant", value_int=Ref(width))
    inputs = body.add("Unsqueeze", inputs, body.constant([0], np.int64))
    ends = body.add("Concat", inputs, body.add("Shape", outputs), axis=0)
    axes = body.constant([0, 1], np.int64)
    return body.add("Slice", matrix, body.constant([0, 0], np.int64), ends, axes)
