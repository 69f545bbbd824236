"""The blocks in bf16: products of bfloat16 with sums in float32.

Weights are bfloat16, and so are the rows that they are multiplied with, each rounded once; all else
is float32: sums, residuals, norms, attention, the last projection.
"""

# ruff: noqa: D102  the contracts are those of Blocks

from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np
import onnx

from twinlens_export.architecture import F32, Linear
from twinlens_export.blocks.functions import bf16 as functions
from twinlens_export.blocks.functions.attention import AttentionFunctions
from twinlens_export.blocks.reduced_precision import ReducedPrecisionBlocks
from twinlens_export.graph.bf16 import Bf16, rounded
from twinlens_export.graph.graph import Function

TOGETHER: Final = 32
"""Outputs of a packed weight that lie together."""

_FLOAT: Final = int(onnx.TensorProto.FLOAT)


@dataclass(frozen=True, slots=True)
class Bf16Blocks(ReducedPrecisionBlocks):
    """See `Blocks`."""

    MAPS: ClassVar = functions.MAPS
    ATTENTIONS: ClassVar = AttentionFunctions("Bf16")
    BYTES_ZERO: ClassVar = functions.ZERO

    def rows(self, table: F32, ids: str, name: str) -> str:
        stored = self.graph.weight(f"{name}.table", rounded(table))
        return self.graph.add("Cast", self.graph.add("Gather", stored, ids), name=name, to=_FLOAT)

    def define_bytes_linear(self) -> Function:
        return functions.bytes_linear()

    def weight(self, linear: Linear, name: str, *, lift: float = 0.0) -> tuple[str, ...]:
        weight, graph = linear.weight, self.graph
        bias = np.zeros(len(weight)) if linear.bias is None else linear.bias.astype(np.float64)
        if lift:
            bias = bias + lift * weight.sum(axis=1, dtype=np.float64)
        return (
            graph.weight(f"{name}.weight", packed(rounded(weight))),
            graph.weight(f"{name}.bias", bias.astype(np.float32)),
        )


def packed(weight: Bf16) -> Bf16:
    """Pack a weight [out, in] in the kernels' layout [out / 32, in / 2, 32, 2], padded with zeros.

    A vector of outputs with two inputs each is contiguous in the file, and so are the vectors of
    the next inputs: nothing is moved when the file is opened.
    """
    outputs, inputs = weight.shape
    padded = np.zeros((-outputs % TOGETHER + outputs, inputs % 2 + inputs), weight.dtype)
    padded[:outputs, :inputs] = weight
    pairs = padded.reshape(len(padded) // TOGETHER, TOGETHER, -1, 2)
    return np.ascontiguousarray(pairs.transpose(0, 2, 1, 3))
