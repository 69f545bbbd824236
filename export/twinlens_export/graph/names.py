"""The names of tensors: those of every tower, and those where two graphs become one."""

from typing import Final

import numpy as np

from twinlens_export.graph.graph import Graph, GraphBuilder

IMAGE_INPUT: Final = "pixel_values"
IMAGE_OUTPUT: Final = "image_embeds"
TEXT_INPUT: Final = "input_ids"
TEXT_OUTPUT: Final = "text_embeds"
SIGLIP_OUTPUT: Final = "pooler_output"
"""Output of both towers in SigLIP's own code; in CLIP's they have the names of ours."""
PIXEL_SCALE: Final = "pixels.scale"
PIXEL_SHIFT: Final = "pixels.shift"
TOWER_NAMES: Final = frozenset(
    {
        IMAGE_INPUT,
        IMAGE_OUTPUT,
        TEXT_INPUT,
        TEXT_OUTPUT,
        SIGLIP_OUTPUT,
        PIXEL_SCALE,
        PIXEL_SHIFT,
    }
)
"""Names that a tower has whatever its model is. A model's own module may have one of them too."""


def free_name(name: str, taken: set[str]) -> str:
    """Return the name, with a number if it is taken already, and take it."""
    free, number = name, 2
    while free in taken:
        free, number = f"{name}.{number}", number + 1
    taken.add(free)
    return free


def names_in(graph: Graph, part: GraphBuilder) -> dict[str, str]:
    """Return the name in a graph of each tensor that a part of it stores or makes.

    That is its own name, unless the graph has another tensor of this name. Equal arrays are one.
    """
    taken = {graph.input.name, *graph.weights, *_made(graph)}
    arrays = {
        name: name if _has_equal(graph, part, name) else free_name(name, taken)
        for name in part.weights
    }
    return arrays | {name: free_name(name, taken) for name in _made(part)}


def _made(graph: GraphBuilder) -> list[str]:
    """Return the names of all outputs of nodes."""
    return [output for node in graph.nodes for output in node.outputs if output]


def _has_equal(graph: GraphBuilder, part: GraphBuilder, name: str) -> bool:
    """Return True if a graph has the same array under the name."""
    if name not in graph.weights:
        return False
    ours, theirs = part.weights[name], graph.weights[name]
    return ours.dtype == theirs.dtype and np.array_equal(ours, theirs)
