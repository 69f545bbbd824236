"""The description that an ONNX file bears: the tower it is, and the checkpoint it is of."""

from dataclasses import replace
from typing import Final

from twinlens.bundle.specs import Modality, Precision
from twinlens_export.checkpoints.checkpoint import Checkpoint
from twinlens_export.checkpoints.licence import LICENCE
from twinlens_export.graph.graph import Graph

PREFIX: Final = "twinlens."
"""Of our own properties; the licence has the key of a model card."""


def described(
    graph: Graph, checkpoint: Checkpoint, modality: Modality, precision: Precision
) -> Graph:
    """Return the graph of a tower with its description."""
    doc, metadata = description_of(checkpoint, modality, precision)
    return replace(graph, doc=doc, metadata=metadata)


def description_of(
    checkpoint: Checkpoint, modality: Modality, precision: Precision
) -> tuple[str, dict[str, str]]:
    """Return words for a reader, and properties by key."""
    own = {
        "modality": modality,
        "precision": precision,
        "family": checkpoint.family.name,
        "source": checkpoint.name,
        "source_sha256": checkpoint.sha256,
    }
    metadata = {f"{PREFIX}{key}": value for key, value in own.items()}
    if checkpoint.licence is not None:
        metadata[LICENCE] = checkpoint.licence
    doc = f"The {modality} tower of {checkpoint.name} in {precision}, to rows of unit length."
    return doc, metadata
