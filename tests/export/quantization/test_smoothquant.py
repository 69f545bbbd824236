"""Smoothing: the same function, and less loss in int8."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from twinlens_export.architecture import AttentionPool, ImageTower, Linear, Norm, TextTower
from twinlens_export.blocks.fp32 import FloatBlocks
from twinlens_export.blocks.int8 import Int8Blocks
from twinlens_export.checkpoints.checkpoint import Checkpoint
from twinlens_export.quantization.activation_stats import activation_stats, embed
from twinlens_export.quantization.smoothquant import smoothed
from twinlens_export.towers.tower_graphs import image_graph, text_graph

Array = NDArray[Any]
Case = tuple[Any, Callable[..., Any], list[Array]]


@pytest.fixture(params=["image", "text", "bert", "pool"])
def case(
    request: pytest.FixtureRequest,
    demo_shaped: Checkpoint,
    pixels_of: Callable[..., Array],
    ids_of: Callable[..., Array],
) -> Case:
    """A tower, the function that builds its graph, and inputs."""
    images, ids = [pixels_of(demo_shaped)[:8]], [ids_of(demo_shaped)[:8]]
    if request.param == "image":
        return demo_shaped.image, image_graph, images
    if request.param == "pool":
        return pooled(demo_shaped.image), image_graph, images
    text = demo_shaped.text
    if request.param == "bert":
        text = replace(text, encoder=replace(text.encoder, post_norm=True), output_norm=None)
    return text, text_graph, ids


def pooled(tower: ImageTower) -> ImageTower:
    """Replace the tower's class token by an attention pool."""
    last = tower.encoder.layers[-1]
    pool = AttentionPool(
        query=np.linspace(-1, 1, tower.encoder.width).astype(np.float32),
        key=last.key,
        value=last.value,
        out_proj=last.out_proj,
        mlp_norm=last.mlp_norm,
        fc1=last.fc1,
        fc2=last.fc2,
    )
    return replace(
        tower, class_embedding=None, position_embedding=tower.position_embedding[1:], pool=pool
    )


def losses(
    tower: ImageTower | TextTower, build: Callable[..., Any], batches: list[Array], folder: Path
) -> Mapping[str, float]:
    stats = activation_stats(build(tower, FloatBlocks), batches, folder)
    smooth = smoothed(tower, stats.rms)
    return {
        name: float(
            1 - (embed(build(each, blocks), batches, folder) * stats.rows).sum(axis=1).min()
        )
        for name, each, blocks in (
            ("float32", smooth, FloatBlocks),
            ("plain int8", tower, Int8Blocks),
            ("int8", smooth, Int8Blocks),
        )
    }


def test_float32_embeddings_move_by_rounding_alone(
    case: Case, with_outliers: Callable[[Any], Any], tmp_path: Path
) -> None:
    tower, build, batches = case
    tower = tower if tower.encoder.post_norm else with_outliers(tower)
    stats = activation_stats(build(tower, FloatBlocks), batches, tmp_path)
    rows = embed(build(smoothed(tower, stats.rms), FloatBlocks), batches, tmp_path)
    np.testing.assert_allclose(rows, stats.rows, rtol=0, atol=1e-6)


def test_outliers_cost_int8_nothing_once_smoothed(
    demo_shaped: Checkpoint,
    pixels_of: Callable[..., Array],
    ids_of: Callable[..., Array],
    with_outliers: Callable[[Any], Any],
    tmp_path: Path,
) -> None:
    for tower, build, inputs in (
        (demo_shaped.image, image_graph, pixels_of(demo_shaped)),
        (demo_shaped.text, text_graph, ids_of(demo_shaped)),
    ):
        clean = losses(tower, build, [inputs], tmp_path)
        spoilt = losses(with_outliers(tower), build, [inputs], tmp_path)
        assert spoilt["plain int8"] > 10 * clean["plain int8"]
        assert spoilt["int8"] < 2 * clean["plain int8"]


def test_a_channel_that_is_always_zero_stays_finite(demo_shaped: Checkpoint) -> None:
    tower = demo_shaped.text
    first = tower.encoder.layers[0]
    scale, bias = first.mlp_norm.scale.copy(), first.mlp_norm.bias.copy()
    scale[3] = bias[3] = 0
    weight = first.fc1.weight.copy()
    weight[:, 5] = 0
    norm = Norm(scale=scale, bias=bias, epsilon=1e-5)
    layer = replace(first, mlp_norm=norm, fc1=Linear(weight=weight, bias=first.fc1.bias))
    layers = (layer, *tower.encoder.layers[1:])
    changed = replace(tower, encoder=replace(tower.encoder, layers=layers))
    rms = unit_rms(changed)
    rms["layers.0.mlp.widen"][3] = 0
    smooth = smoothed(changed, rms).encoder.layers[0]
    assert np.isfinite(smooth.fc1.weight).all()
    assert np.isfinite(smooth.mlp_norm.bias).all()
    assert smooth.mlp_norm.scale[3] == 0


def unit_rms(tower: TextTower) -> dict[str, Array]:
    width = tower.encoder.width
    names = ("query_key_value", "key_value", "mixed", "mlp.widen")
    return {
        f"layers.{number}.{name}": np.ones(width, np.float32)
        for number in range(len(tower.encoder.layers))
        for name in names
    }
