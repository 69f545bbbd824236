"""The step to int8."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from twinlens_export import original, verify
from twinlens_export.checkpoint import Checkpoint
from twinlens_export.graph import Graph, Port
from twinlens_export.int8 import LOWEST, to_int8
from twinlens_export.towers import image_graph, text_graph

LEAST_COSINE = verify.TOLERANCES["int8"].worst_cosine


def test_weights_are_stored_once_as_int8(checkpoint: Checkpoint) -> None:
    for graph in (image_graph(checkpoint.image), text_graph(checkpoint.text)):
        small = to_int8(graph)
        floats = sum(array.nbytes for array in graph.weights.values())
        assert sum(array.nbytes for array in small.weights.values()) < 0.32 * floats
        for node in small.nodes:
            assert (
                node.op != "MatMul"
                or node.name == "projection"
                or not (set(node.inputs) & set(small.weights))
            )


def product_graph(weight: NDArray[np.float32], bend: str = "") -> Graph:
    """tokens [B, 2, in] times a weight, behind an activation or none."""
    graph = Graph(
        name="product",
        input=Port(name="tokens", dtype=np.float32, shape=("batch", 2, len(weight))),
        output=Port(name="sums", dtype=np.float32, shape=("batch", 2, weight.shape[1])),
    )
    graph.weight("it.weight", weight)
    graph.weight("it.bias", np.zeros(weight.shape[1], np.float32))
    tokens = graph.add(bend or "Identity", "tokens", name="source")
    graph.add("Add", graph.add("MatMul", tokens, "it.weight", name="it"), "it.bias", name="sums")
    return graph


@pytest.mark.parametrize("bend", ["", "Gelu", "QuickGelu"])
def test_a_token_of_zeros_gives_zeros_and_no_nan(bend: str, opened: Callable[..., Any]) -> None:
    weight = np.random.default_rng(0).normal(size=(64, 32)).astype(np.float32)
    tokens = np.zeros((1, 2, 64), np.float32)
    tokens[0, 1] = np.linspace(-3, 3, 64)
    graph = product_graph(weight, bend)
    sums, wanted = opened(to_int8(graph))(tokens), opened(graph)(tokens)
    # What is raised by LOWEST and coded comes back with the error of half a step.
    np.testing.assert_allclose(sums[0, 0], 0, atol=abs(LOWEST) if bend else 0)
    np.testing.assert_allclose(sums[0, 1], wanted[0, 1], atol=0.02 * np.abs(wanted).max())


def test_a_channel_of_zeros_gives_zeros(opened: Callable[..., Any]) -> None:
    weight = np.random.default_rng(0).normal(size=(64, 32)).astype(np.float32)
    weight[:, 5] = 0
    tokens = np.random.default_rng(1).normal(size=(1, 2, 64)).astype(np.float32)
    assert not opened(to_int8(product_graph(weight)))(tokens)[..., 5].any()


def test_a_grey_image_is_almost_exact(demo_shaped: Checkpoint, opened: Callable[..., Any]) -> None:
    side = demo_shaped.image_spec.side_px
    grey = np.full((1, side, side, 3), 128, np.uint8)
    row = opened(to_int8(image_graph(demo_shaped.image)))(grey)
    assert float((row * original.image_rows(demo_shaped, grey)).sum()) > LEAST_COSINE
