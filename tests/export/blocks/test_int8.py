"""The blocks in int8: storage, packing, and products of special tokens."""

from collections.abc import Callable
from typing import Any

import numpy as np
import onnxruntime
import pytest
from hypothesis import given
from hypothesis import strategies as some
from numpy.typing import NDArray

from twinlens_export.architecture import Activation, Linear
from twinlens_export.blocks.fp32 import FloatBlocks
from twinlens_export.blocks.functions.int8 import LOWEST
from twinlens_export.blocks.int8 import Int8Blocks, packed
from twinlens_export.blocks.interface import Mlp
from twinlens_export.checkpoints.checkpoint import Checkpoint
from twinlens_export.graph.graph import Graph, ValueInfo, to_model
from twinlens_export.towers.tower_graphs import image_graph, text_graph
from twinlens_export.verification import reference_model, verify

LEAST_COSINE = verify.TOLERANCES["int8"].worst_cosine


def test_weights_are_stored_once_as_int8(checkpoint: Checkpoint) -> None:
    for build, tower in ((image_graph, checkpoint.image), (text_graph, checkpoint.text)):
        small, large = build(tower, Int8Blocks), build(tower)
        floats = sum(array.nbytes for array in large.weights.values())
        assert sum(array.nbytes for array in small.weights.values()) < 0.33 * floats
        for node in small.nodes:
            assert (
                node.op != "MatMul"
                or node.name == "projection"
                or not (set(node.inputs) & set(small.weights))
            )


@given(some.integers(1, 70), some.integers(1, 150))
def test_packed_codes_are_where_they_are_said_to_be(outputs: int, inputs: int) -> None:
    codes = np.random.default_rng(0).integers(-127, 128, (outputs, inputs)).astype(np.int8)
    tiles = packed(codes)
    assert tiles.shape == (-(-outputs // 16), -(-inputs // 64), 16, 16, 4)
    for row, column in ((0, 0), (outputs - 1, inputs - 1), (outputs // 2, inputs // 3)):
        place = (row // 16, column // 64, column % 64 // 4, row % 16, column % 4)
        assert tiles[place] == codes[row, column]
    assert np.abs(tiles.astype(int)).sum() == np.abs(codes.astype(int)).sum()


def product_graph(
    blocks: type[FloatBlocks | Int8Blocks], weight: NDArray[np.float32], activation: str = ""
) -> Graph:
    """Build a graph of tokens [B, 2, in] times a weight [in, in], or of an MLP with residual."""
    width = len(weight)
    graph = Graph(
        name=f"product {blocks.__name__}",
        input=ValueInfo(name="tokens", dtype=np.float32, shape=("batch", 2, width)),
        output=ValueInfo(name="sums", dtype=np.float32, shape=("batch", 2, width)),
    )
    linear = Linear(weight=weight, bias=np.zeros(width, np.float32))
    made = blocks(graph)
    if activation in ("gelu", "quick_gelu", "gelu_tanh"):
        known: Activation = activation
        mlp = Mlp(norm=None, fc1=linear, activation=known, fc2=linear)
        answer = made.mlp_add("tokens", mlp, "it")
    else:
        answer = made.linear("tokens", linear, "it")
    graph.add("Identity", answer, name="sums")
    return graph


def by_another(graph: Graph, items: NDArray[Any]) -> NDArray[np.float32]:
    """Run a graph in an onnxruntime with neither the operators nor the options of twinlens."""
    session = onnxruntime.InferenceSession(to_model(graph).SerializeToString())
    (rows,) = session.run(None, {graph.input.name: items})
    return np.asarray(rows, np.float32)


def codes_of(rows: int, width: int) -> NDArray[np.float32]:
    """Return random codes [rows, width], the largest in each row, which int8 keeps as they are."""
    codes = np.random.default_rng(rows).integers(-127, 128, (rows, width))
    codes[:, 0] = 127
    return codes.astype(np.float32)


@pytest.mark.parametrize("width", [64, 200])
def test_sums_are_exact_in_an_onnxruntime_that_does_not_know_twinlens(width: int) -> None:
    """On every processor: x86 without VNNI saturates those of signed weights."""
    weight, tokens = codes_of(width, width), codes_of(6, width).reshape(3, 2, width)
    sums = by_another(product_graph(Int8Blocks, weight), tokens)
    np.testing.assert_allclose(sums, tokens @ weight.T, rtol=1e-6, atol=1e-2)


@pytest.mark.parametrize("activation", ["gelu", "gelu_tanh", "quick_gelu"])
def test_sums_of_an_mlp_do_not_saturate_either(activation: str) -> None:
    weight, tokens = codes_of(200, 200) / 2000, codes_of(6, 200).reshape(3, 2, 200) / 127
    sums = by_another(product_graph(Int8Blocks, weight, activation), tokens)
    wanted = by_another(product_graph(FloatBlocks, weight, activation), tokens)
    error = np.linalg.norm(sums - wanted, axis=-1) / np.linalg.norm(wanted - tokens, axis=-1)
    assert error.max() < 0.02


def test_sums_of_bytes_do_not_saturate_either() -> None:
    weight, pixels = codes_of(24, 96), np.random.default_rng(0).integers(0, 256, (2, 5, 96))
    graph = Graph(
        name="bytes",
        input=ValueInfo(name="pixels", dtype=np.uint8, shape=("batch", 5, 96)),
        output=ValueInfo(name="sums", dtype=np.float32, shape=("batch", 5, 24)),
    )
    Int8Blocks(graph).bytes_linear("pixels", Linear(weight=weight, bias=None), "sums")
    sums = by_another(graph, pixels.astype(np.uint8))
    np.testing.assert_array_equal(sums, pixels @ weight.T)


@pytest.mark.parametrize("activation", ["", "gelu", "gelu_tanh", "quick_gelu"])
@pytest.mark.parametrize("width", [64, 72])
def test_a_token_of_zeros_gives_zeros_and_no_nan(
    activation: str, width: int, opened: Callable[..., Any]
) -> None:
    weight = np.random.default_rng(0).normal(size=(width, width)).astype(np.float32) / width**0.5
    tokens = np.zeros((1, 2, width), np.float32)
    tokens[0, 1] = np.linspace(-3, 3, width)
    sums = opened(product_graph(Int8Blocks, weight, activation))(tokens)
    wanted = opened(product_graph(FloatBlocks, weight, activation))(tokens)
    # Quantisation of values minus LOWEST has an error of half a step.
    np.testing.assert_allclose(sums[0, 0], 0, atol=abs(LOWEST) / 50 if activation else 0)
    np.testing.assert_allclose(sums[0, 1], wanted[0, 1], atol=0.02 * np.abs(wanted).max())


def test_a_channel_of_zeros_gives_zeros(opened: Callable[..., Any]) -> None:
    weight = np.random.default_rng(0).normal(size=(64, 64)).astype(np.float32)
    weight[5] = 0
    tokens = np.random.default_rng(1).normal(size=(1, 2, 64)).astype(np.float32)
    assert not opened(product_graph(Int8Blocks, weight))(tokens)[..., 5].any()


def test_a_grey_image_is_almost_exact(demo_shaped: Checkpoint, opened: Callable[..., Any]) -> None:
    side = demo_shaped.image_spec.side_px
    grey = np.full((1, side, side, 3), 128, np.uint8)
    row = opened(image_graph(demo_shaped.image, Int8Blocks))(grey)
    assert float((row * reference_model.image_rows(demo_shaped, grey)).sum()) > LEAST_COSINE


def test_a_block_that_is_kept_stays_in_float32(
    demo_shaped: Checkpoint, opened: Callable[..., Any], pixels_of: Callable[..., Any]
) -> None:
    images = pixels_of(demo_shaped)
    whole = image_graph(demo_shaped.image)
    named = {node.name for node in image_graph(demo_shaped.image, Int8Blocks).nodes}
    kept = {name for name in named if name.startswith("layers.") or name == "patches"}
    # A fused attention block has the name of its output projection, not of the projection to qkv.
    kept |= {name.replace("mixed", "query_key_value") for name in kept}
    kept_graph = image_graph(demo_shaped.image, lambda graph: Int8Blocks(graph, kept))
    rows = opened(kept_graph)(images)
    exact, all_int8 = (
        opened(whole)(images),
        opened(image_graph(demo_shaped.image, Int8Blocks))(images),
    )
    # Only the native attention is left, which on AMX multiplies bfloat16.
    loss, whole_loss = (1 - (found * exact).sum(axis=1).min() for found in (rows, all_int8))
    assert loss < 0.2 * whole_loss
