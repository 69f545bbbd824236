"""The precisions: what each does to a tower, and where it is meant to run."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from twinlens.bundle import Device, Precision
from twinlens_export.graph import Graph
from twinlens_export.half import to_half
from twinlens_export.int8 import to_int8

Step: TypeAlias = Callable[[Graph], Graph]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """The steps from the float32 graph to the graph of one precision."""

    steps: tuple[Step, ...]
    device: Device
    suffix: str
    """Of the file's stem."""


RECIPES: Final[Mapping[Precision, Recipe]] = {
    "fp32": Recipe(steps=(), device="any", suffix=""),
    "fp16": Recipe(steps=(to_half,), device="cuda", suffix="_fp16"),
    "int8": Recipe(steps=(to_int8,), device="cpu", suffix="_int8"),
}


def refine(graph: Graph, precision: Precision) -> Graph:
    """The graph in another precision; the one given stays as it is."""
    for step in RECIPES[precision].steps:
        graph = step(graph)
    return graph
