"""The precisions: what each does to a tower, and where it is meant to run."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from twinlens.bundle.specs import Precision, TargetDevice
from twinlens_export.blocks.fp16_fused import FusedBlocks
from twinlens_export.blocks.fp32 import FloatBlocks
from twinlens_export.blocks.int8 import Int8Blocks
from twinlens_export.blocks.interface import MakeBlocks
from twinlens_export.graph.fp16 import to_half
from twinlens_export.graph.graph import Graph
from twinlens_export.graph.prune import drop_unread

Build: TypeAlias = Callable[[MakeBlocks], Graph]
"""A tower's graph, of the blocks that are given."""
Step: TypeAlias = Callable[[Graph], Graph]


@dataclass(frozen=True, slots=True, kw_only=True)
class PrecisionRecipe:
    """How the graph of one precision is made."""

    blocks: MakeBlocks
    """What it is built of."""
    steps: tuple[Step, ...] = ()
    """What is done to it then."""
    device: TargetDevice
    suffix: str
    """Of the file's stem."""


RECIPES: Final[Mapping[Precision, PrecisionRecipe]] = {
    "fp32": PrecisionRecipe(blocks=FloatBlocks, device="any", suffix=""),
    "fp16": PrecisionRecipe(
        blocks=FusedBlocks, steps=(drop_unread, to_half), device="cuda", suffix="_fp16"
    ),
    "int8": PrecisionRecipe(blocks=Int8Blocks, device="cpu", suffix="_int8"),
}


def in_precision(build: Build, precision: Precision) -> Graph:
    """A tower's graph in one precision."""
    recipe = RECIPES[precision]
    graph = build(recipe.blocks)
    for step in recipe.steps:
        graph = step(graph)
    return graph
