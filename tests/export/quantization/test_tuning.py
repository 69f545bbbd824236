"""The tuning of a tower for int8."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from twinlens_export.architecture import F32, Linear, Norm, TextTower
from twinlens_export.blocks.int8 import Int8Blocks
from twinlens_export.checkpoints.checkpoint import Checkpoint
from twinlens_export.graph.graph import Graph
from twinlens_export.quantization import tuning
from twinlens_export.quantization.activation_stats import embed
from twinlens_export.quantization.sensitivity import sensitivities
from twinlens_export.towers.tower_graphs import text_graph

LEVELS = 15


def test_a_tower_with_outliers_is_smoothed(
    demo_shaped: Checkpoint,
    ids_of: Callable[..., Any],
    with_outliers: Callable[[Any], Any],
    tmp_path: Path,
) -> None:
    spoilt = with_outliers(demo_shaped.text)
    found = tuning.tune(spoilt, text_graph, [ids_of(demo_shaped)], tmp_path)
    scale = found.tower.encoder.layers[0].mlp_norm.scale
    assert np.abs(scale).max() < 3 * np.median(np.abs(scale))
    assert not list(tmp_path.iterdir())


def test_a_tower_stays_as_it_is_where_smoothing_costs(
    demo_shaped: Checkpoint,
    ids_of: Callable[..., Any],
    with_outliers: Callable[[Any], Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tuning, "smoothed", lambda tower, _: with_outliers(tower))
    found = tuning.tune(demo_shaped.text, text_graph, [ids_of(demo_shaped)], tmp_path)
    assert found.tower is demo_shaped.text
    assert not found.divisors


def test_tokens_that_are_added_to_as_well_are_divided(
    demo_shaped: Checkpoint, ids_of: Callable[..., Any], tmp_path: Path
) -> None:
    """A post-norm tower, whose norms leave a few channels fifty times larger than the others."""
    bert, batches = loud(demo_shaped.text), [ids_of(demo_shaped)]
    found = tuning.tune(bert, text_graph, batches, tmp_path)
    whole = {f"layers.{n}.{name}" for n in (0, 1) for name in ("query_key_value", "mlp.widen")}
    assert set(found.divisors) == {
        *whole,
        "layers.2.query",
        "layers.2.key_value",
        "layers.2.mlp.widen",
    }  # fmt: skip
    wanted = embed(text_graph(bert), batches, tmp_path)

    def loss(graph: Graph) -> float:
        return float(1 - (embed(graph, batches, tmp_path) * wanted).sum(axis=1).mean())

    # In eight draws of the weights division left between a 38th and a 117th.
    assert loss(found.build(found.blocks())) < 0.05 * loss(text_graph(bert, Int8Blocks))
    # In float32 nothing is divided, so kept blocks are exact.
    everything = {*sensitivities(found.build, found.blocks(), batches, tmp_path)}
    assert loss(found.build(found.blocks(kept=everything))) < 1e-6


def loud(text: TextTower) -> TextTower:
    """Return the tower with post-norms, each loud in other channels than the one before.

    The next norm takes a channel's loudness back, as the residual would carry it on: in one that
    grows from norm to norm the row is that of the loud channels alone, and int8 loses nothing.
    """
    quiet = np.ones(text.encoder.width, np.float32)
    after_attention, after_mlp = quiet.copy(), quiet.copy()
    after_attention[7::60] = after_mlp[9::60] = 50
    layers, tokens = [], quiet
    for layer in text.encoder.layers:
        maps = (layer.query, layer.key, layer.value)
        query, key, value = (divided(each, tokens) for each in maps)
        loud_layer = replace(
            layer,
            query=query, key=key, value=value, fc1=divided(layer.fc1, after_attention),
            attention_norm=multiplied(layer.attention_norm, after_attention / tokens),
            mlp_norm=multiplied(layer.mlp_norm, after_mlp / after_attention),
        )  # fmt: skip
        layers.append(loud_layer)
        tokens = after_mlp
    assert text.projection is not None
    encoder = replace(text.encoder, layers=tuple(layers), post_norm=True)
    projection = divided(text.projection, tokens)
    return replace(text, encoder=encoder, output_norm=None, projection=projection)


def divided(linear: Linear, factors: F32) -> Linear:
    return replace(linear, weight=linear.weight / factors)


def multiplied(norm: Norm, factors: F32) -> Norm:
    return replace(norm, scale=norm.scale * factors)


def test_weights_on_few_levels_stay_there(
    demo_shaped: Checkpoint,
    ids_of: Callable[..., Any],
    with_outliers: Callable[[Any], Any],
    tmp_path: Path,
) -> None:
    """An outlier would have a tower of any other weights smoothed."""
    spoilt = with_outliers(demo_shaped.text)
    layers = tuple(
        replace(
            layer,
            **{
                name: replace(each, weight=few_levels(each.weight))
                for name in ("query", "key", "value", "out_proj", "fc1", "fc2")
                for each in (getattr(layer, name),)
            },
        )
        for layer in spoilt.encoder.layers
    )
    coarse = replace(spoilt, encoder=replace(spoilt.encoder, layers=layers))
    found = tuning.tune(coarse, text_graph, [ids_of(demo_shaped)], tmp_path)
    assert found.tower is coarse
    for name, codes in found.build(found.blocks()).weights.items():
        if name.endswith("mlp.widen.codes"):
            assert len(np.unique(codes)) <= 2 * LEVELS + 1


def few_levels(weight: F32) -> F32:
    steps = np.abs(weight).max(axis=1, keepdims=True) / LEVELS
    return (np.rint(weight / steps) * steps).astype(np.float32)
