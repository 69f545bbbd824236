"""The precisions: the recipe of each one's graph, and its target device."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final, TypeAlias

from twinlens.bundle.specs import Precision, TargetDevice
from twinlens_export.blocks.bf16 import Bf16Blocks
from twinlens_export.blocks.fp16_fused import FusedBlocks
from twinlens_export.blocks.fp32 import FloatBlocks
from twinlens_export.blocks.int8 import Int8Blocks
from twinlens_export.blocks.interface import MakeBlocks
from twinlens_export.blocks.native_fp32 import NativeFloatBlocks
from twinlens_export.graph.fp16 import to_half
from twinlens_export.graph.graph import Graph
from twinlens_export.graph.prune import drop_unread

BuildGraph: TypeAlias = Callable[[MakeBlocks], Graph]
"""Builder of one tower's graph from the given blocks."""
Pass: TypeAlias = Callable[[Graph], Graph]


@dataclass(frozen=True, slots=True, kw_only=True)
class PrecisionRecipe:
    """Recipe of the graph of one precision: blocks, then passes."""

    blocks: MakeBlocks
    passes: tuple[Pass, ...] = ()
    device: TargetDevice
    suffix: str
    """Suffix of the file's stem."""
    native: type[NativeFloatBlocks] | None = None
    """Blocks of a second graph over the same weights, in native operators alone. The first is then
    one of onnxruntime's own operators, which every build of it runs."""


RECIPES: Final[Mapping[Precision, PrecisionRecipe]] = {
    "fp32": PrecisionRecipe(
        blocks=partial(FloatBlocks, packed=True), device="any", suffix="", native=NativeFloatBlocks
    ),
    "fp16": PrecisionRecipe(
        blocks=FusedBlocks, passes=(drop_unread, to_half), device="cuda", suffix="_fp16"
    ),
    "bf16": PrecisionRecipe(blocks=Bf16Blocks, device="cpu", suffix="_bf16"),
    "int8": PrecisionRecipe(blocks=Int8Blocks, device="cpu", suffix="_int8"),
}


def in_precision(build: BuildGraph, precision: Precision) -> Graph:
    """Build a tower's graph in one precision."""
    recipe = RECIPES[precision]
    graph = build(recipe.blocks)
    for pass_ in recipe.passes:
        graph = pass_(graph)
    return graph


def native_graph(build: BuildGraph, precision: Precision) -> Graph | None:
    """Build the second graph of a precision, over the weights of the first; None: it has none."""
    native = RECIPES[precision].native
    return None if native is None else build(native)
