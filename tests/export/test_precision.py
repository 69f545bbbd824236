"""Properties of both towers in every precision that promises them."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import onnx
import pytest

from twinlens.bundle.specs import PRECISIONS, Precision
from twinlens_export.checkpoints.checkpoint import Checkpoint
from twinlens_export.graph.graph import Graph, to_model
from twinlens_export.precision import in_precision, native_graph
from twinlens_export.towers.tower_graphs import image_graph, text_graph
from twinlens_export.verification import reference_model, verify


@pytest.mark.parametrize("precision", ["fp16", "bf16", "int8"])
def test_towers_follow_transformers(
    precision: Precision,
    checkpoint: Checkpoint,
    opened: Callable[..., Any],
    pixels_of: Callable[..., Any],
    ids_of: Callable[..., Any],
) -> None:
    least = verify.TOLERANCES[precision].worst_cosine
    images, ids = pixels_of(checkpoint), ids_of(checkpoint)
    rows = opened(in_precision(partial(image_graph, checkpoint.image), precision))(images)
    assert (rows * reference_model.image_rows(checkpoint, images)).sum(axis=1).min() >= least
    rows = opened(in_precision(partial(text_graph, checkpoint.text), precision))(ids)
    assert (rows * reference_model.text_rows(checkpoint, ids)).sum(axis=1).min() >= least


@pytest.mark.parametrize("precision", PRECISIONS)
def test_onnxs_own_checker_knows_the_types_and_shapes_of_every_tensor(
    precision: Precision, checkpoint: Checkpoint
) -> None:
    graphs: list[Graph | None] = []
    for build in (partial(image_graph, checkpoint.image), partial(text_graph, checkpoint.text)):
        graphs += in_precision(build, precision), native_graph(build, precision)
    for graph in filter(None, graphs):
        onnx.checker.check_model(to_model(graph), full_check=True)


@pytest.mark.parametrize("precision", ["fp32", "bf16", "int8"])
def test_a_row_is_the_same_to_the_bit_whatever_its_batch(
    precision: Precision,
    checkpoint: Checkpoint,
    opened: Callable[..., Any],
    pixels_of: Callable[..., Any],
    ids_of: Callable[..., Any],
) -> None:
    for build, inputs in (
        (partial(image_graph, checkpoint.image), pixels_of(checkpoint)),
        (partial(text_graph, checkpoint.text), ids_of(checkpoint)),
    ):
        tower = opened(in_precision(build, precision))
        whole = tower(inputs)
        for size in (1, 3, 17):
            for start in range(0, len(inputs), size):
                part = tower(inputs[start : start + size])
                np.testing.assert_array_equal(part, whole[start : start + size])


@pytest.mark.parametrize("precision", ["fp32", "bf16", "int8"])
def test_a_text_is_the_same_to_the_bit_whatever_its_padding(
    precision: Precision,
    checkpoint: Checkpoint,
    opened: Callable[..., Any],
    ids_of: Callable[..., Any],
) -> None:
    tower = opened(in_precision(partial(text_graph, checkpoint.text), precision))
    ids = ids_of(checkpoint)
    whole = tower(ids)
    for place, text in enumerate(ids):
        length = int(np.argmax(text == checkpoint.text_spec.end_id)) + 1
        for cut in {length, min(length + 1, len(text)), min(length + 7, len(text))}:
            np.testing.assert_array_equal(tower(text[None, :cut])[0], whole[place])
