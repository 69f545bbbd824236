"""The ends of every tower's graph: its inputs, its output, and the unit rows before it."""

import numpy as np

from twinlens.bundle.specs import Modality
from twinlens_export.graph.graph import Graph, ValueInfo
from twinlens_export.graph.names import IMAGE_INPUT, IMAGE_OUTPUT, TEXT_INPUT, TEXT_OUTPUT


def new_graph(modality: Modality, width: int, *, side_px: int = 0) -> Graph:
    """Return a tower's graph without nodes: uint8 [B, S, S, 3] or int64 [B, T] to float32 [B, D].

    Args:
        modality: of the tower.
        width: D.
        side_px: S of an image tower.
    """
    if modality == "image":
        pixels = ("batch", side_px, side_px, 3)
        given = ValueInfo(name=IMAGE_INPUT, dtype=np.uint8, shape=pixels)
    else:
        given = ValueInfo(name=TEXT_INPUT, dtype=np.int64, shape=("batch", "tokens"))
    output = IMAGE_OUTPUT if modality == "image" else TEXT_OUTPUT
    return Graph(
        name=f"{modality} tower",
        input=given,
        output=ValueInfo(name=output, dtype=np.float32, shape=("batch", width)),
    )


def add_unit_rows(graph: Graph, rows: str) -> None:
    """Append the L2 norm of features [B, D]: the graph's output."""
    one = graph.constant([1], np.int64)
    graph.add("Div", rows, graph.add("ReduceL2", rows, one, keepdims=1), name=graph.output.name)
