"""The float32 towers against transformers."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from twinlens_export.architecture import PixelNormalization
from twinlens_export.checkpoints.checkpoint import Checkpoint
from twinlens_export.graph.graph import to_model
from twinlens_export.towers.tower_graphs import image_graph, text_graph
from twinlens_export.verification import reference_model, verify

LEAST_COSINE = verify.TOLERANCES["fp32"].worst_cosine


def worst_cosine(rows: NDArray[Any], wanted: NDArray[Any]) -> float:
    assert rows.shape == wanted.shape
    assert rows.dtype == np.float32
    return float((rows.astype(np.float64) * wanted).sum(axis=1).min())


def test_image_tower_follows_transformers(
    checkpoint: Checkpoint, opened: Callable[..., Any], pixels_of: Callable[..., Any]
) -> None:
    images = pixels_of(checkpoint)
    rows = opened(image_graph(checkpoint.image))(images)
    assert worst_cosine(rows, reference_model.image_rows(checkpoint, images)) >= LEAST_COSINE


def test_text_tower_follows_transformers(
    checkpoint: Checkpoint, opened: Callable[..., Any], ids_of: Callable[..., Any]
) -> None:
    ids = ids_of(checkpoint)
    rows = opened(text_graph(checkpoint.text))(ids)
    assert worst_cosine(rows, reference_model.text_rows(checkpoint, ids)) >= LEAST_COSINE


def test_rows_have_length_one(
    demo_shaped: Checkpoint, opened: Callable[..., Any], pixels_of: Callable[..., Any]
) -> None:
    rows = opened(image_graph(demo_shaped.image))(pixels_of(demo_shaped))
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-6)


def test_what_stands_behind_the_end_token_changes_no_text(
    demo_shaped: Checkpoint, opened: Callable[..., Any], ids_of: Callable[..., Any]
) -> None:
    tower = opened(text_graph(demo_shaped.text))
    ids = ids_of(demo_shaped)[:10]
    other = ids.copy()
    ends = np.argmax(ids == demo_shaped.text_spec.end_id, axis=1)
    for row, end in zip(other, ends, strict=True):
        row[end + 1 :] = 7
    np.testing.assert_allclose(tower(other), tower(ids), atol=1e-6)


def test_graphs_are_valid_onnx(checkpoint: Checkpoint) -> None:
    for graph in (image_graph(checkpoint.image), text_graph(checkpoint.text)):
        model = to_model(graph)
        onnx.checker.check_model(model, full_check=True)


def test_pixels_that_are_not_rescaled_are_folded_too(
    demo_shaped: Checkpoint, opened: Callable[..., Any], pixels_of: Callable[..., Any]
) -> None:
    raw = PixelNormalization(factor=1.0, mean=(100.0, 110.0, 120.0), std=(60.0, 61.0, 62.0))
    changed = replace(demo_shaped, image=replace(demo_shaped.image, normalization=raw))
    images = pixels_of(changed)
    rows = opened(image_graph(changed.image))(images)
    assert worst_cosine(rows, reference_model.image_rows(changed, images)) >= LEAST_COSINE
