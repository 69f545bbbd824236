"""The towers of every family in every precision against the reference model."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from twinlens.bundle.specs import PRECISIONS, Precision
from twinlens_export.checkpoints.checkpoint import Checkpoint
from twinlens_export.graph.graph import Graph, to_model
from twinlens_export.precision import BuildGraph, in_precision
from twinlens_export.towers.tower_graphs import image_graph, text_graph
from twinlens_export.verification import reference_model

Array = NDArray[Any]
Embed = Callable[[Array], Array]

ROUNDING: Final = 2e-6
LEAST: Final[Mapping[Precision, float]] = {
    "fp32": 0.99999,
    "fp16": 0.9999,
    "bf16": 0.999,
    "int8": 0.99,
}
"""Least cosine of centred rows with the reference model's: random towers put all rows nearly in one
place, and an uncentred cosine would forgive too much there."""


def worst_centred_cosine(rows: Array, wanted: Array) -> float:
    """Return the worst cosine after the mean of the wanted rows is subtracted from both."""
    mean = wanted.mean(axis=0, dtype=np.float64)
    left, right = rows - mean, wanted - mean
    lengths = np.linalg.norm(left, axis=1) * np.linalg.norm(right, axis=1)
    return float(((left * right).sum(axis=1) / lengths).min())


def builds(checkpoint: Checkpoint) -> tuple[BuildGraph, BuildGraph]:
    return partial(image_graph, checkpoint.image), partial(text_graph, checkpoint.text)


def ids_of(checkpoint: Checkpoint) -> Array:
    """Return twelve texts [12, context], from the shortest to the whole context."""
    spec, random = checkpoint.text_spec, np.random.default_rng(1)
    ids = np.full((12, spec.context), spec.pad_id)
    for row, length in zip(ids, np.linspace(2, spec.context, 12).astype(int), strict=True):
        # No special token is among the middle ids of any family.
        row[: length - 1] = random.integers(5, len(checkpoint.text.token_embedding) - 3, length - 1)
        row[length - 1] = spec.end_id
    return ids


@pytest.mark.parametrize("precision", PRECISIONS)
def test_both_towers_follow_the_original(
    family: str,
    precision: Precision,
    family_checkpoint: Callable[[str], Checkpoint],
    opened: Callable[[Graph], Embed],
    pixels_of: Callable[[Checkpoint], Array],
) -> None:
    checkpoint = family_checkpoint(family)
    image, text = (in_precision(build, precision) for build in builds(checkpoint))
    images, ids = pixels_of(checkpoint), ids_of(checkpoint)
    least = LEAST[precision]
    wanted = reference_model.image_rows(checkpoint, images)
    assert worst_centred_cosine(opened(image)(images), wanted) > least
    wanted = reference_model.text_rows(checkpoint, ids)
    assert worst_centred_cosine(opened(text)(ids), wanted) > least


@pytest.mark.parametrize("precision", PRECISIONS)
def test_no_row_depends_on_its_batch(
    family: str,
    precision: Precision,
    family_checkpoint: Callable[[str], Checkpoint],
    opened: Callable[[Graph], Embed],
    pixels_of: Callable[[Checkpoint], Array],
) -> None:
    checkpoint = family_checkpoint(family)
    inputs = pixels_of(checkpoint)[:5], ids_of(checkpoint)[:5]
    for build, whole in zip(builds(checkpoint), inputs, strict=True):
        tower = opened(in_precision(build, precision))
        alone = np.concatenate([tower(whole[row : row + 1]) for row in range(len(whole))])
        np.testing.assert_allclose(
            tower(whole), alone, atol=ROUNDING if precision != "fp16" else 1e-3
        )


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_text_that_may_be_trimmed_does_not_depend_on_its_padding(
    family: str,
    precision: Precision,
    family_checkpoint: Callable[[str], Checkpoint],
    opened: Callable[[Graph], Embed],
) -> None:
    checkpoint = family_checkpoint(family)
    assert checkpoint.text_spec.trim is not family.startswith("siglip")
    if not checkpoint.text_spec.trim:
        return
    ids = ids_of(checkpoint)[:5]
    tower = opened(in_precision(builds(checkpoint)[1], precision))
    longest = int((ids != checkpoint.text_spec.pad_id).sum(axis=1).max()) + 1
    np.testing.assert_allclose(tower(ids), tower(ids[:, :longest]), atol=ROUNDING)


def test_graphs_are_valid_onnx(family: str, family_checkpoint: Callable[[str], Checkpoint]) -> None:
    for build in builds(family_checkpoint(family)):
        onnx.checker.check_model(to_model(in_precision(build, "fp32")), full_check=True)
