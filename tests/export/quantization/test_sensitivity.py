"""The sensitivity of blocks to int8."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from twinlens_export.architecture import F32, F64
from twinlens_export.blocks.fp32 import FloatBlocks
from twinlens_export.blocks.int8 import Int8Blocks
from twinlens_export.checkpoints.checkpoint import Checkpoint, read_checkpoint
from twinlens_export.graph.graph import Array
from twinlens_export.quantization.activation_stats import embed
from twinlens_export.quantization.sensitivity import (
    Runs,
    losses,
    runs_of,
    sensitivities,
)
from twinlens_export.towers.tower_graphs import image_graph, text_graph


def test_every_block_is_tried_and_the_loud_one_is_the_dearest(
    loud_folder: Path, pixels_of: Callable[..., Any], tmp_path: Path
) -> None:
    loud = read_checkpoint(str(loud_folder))
    found = sensitivities(
        partial(image_graph, loud.image), Int8Blocks, [pixels_of(loud)[:4]], tmp_path
    )
    blocks = ("query_key_value", "mixed", "mlp")
    whole = {f"layers.{number}.{block}" for number in range(5) for block in blocks}
    last = {f"layers.5.{block}" for block in ("query", "key_value", "mixed", "mlp")}
    assert set(found) == {"patches", *whole, *last}
    first, second = list(found.values())[:2]
    assert next(iter(found)) == "layers.2.mlp"
    assert first > 10 * second


def test_a_cost_is_what_that_block_alone_loses(
    demo_shaped: Checkpoint, ids_of: Callable[..., Any], tmp_path: Path
) -> None:
    build = partial(text_graph, demo_shaped.text)
    batches = [ids_of(demo_shaped)[:8]]
    found = sensitivities(build, Int8Blocks, batches, tmp_path)
    wanted = embed(build(FloatBlocks), batches, tmp_path)
    others = frozenset(found) - {"layers.1.mlp"}
    alone = embed(build(partial(Int8Blocks, kept=others)), batches, tmp_path)
    lost = 1 - (alone.astype(np.float64) * wanted).sum(axis=1).mean()
    # The attentions stay native, which on AMX cost a little themselves.
    assert abs(found["layers.1.mlp"] - lost) < 0.25 * lost + 1e-7
    assert "words" in found


def test_a_tower_of_many_blocks_is_measured_in_few_runs() -> None:
    """Of a tower whose errors add up, a vector a block, three of them far above the others."""
    random = np.random.default_rng(3)
    size, width, count = 97, 256, 2
    lengths = random.uniform(0.005, 0.01, (size, count, 1))
    lengths[[60, 11, 90]] = [[[0.3]], [[0.15]], [[0.08]]]
    vectors = random.normal(size=(size, count, width))
    vectors *= lengths / np.linalg.norm(vectors, axis=2, keepdims=True)
    asked: list[F32] = []

    def rows(_: Array, shares: F32) -> F64:
        asked.append(shares)
        return np.einsum("n,nbd->bd", shares.astype(np.float64), vectors)

    runs = [Runs.of(rows, np.zeros((count, 9)), size, random) for _ in range(2)]
    assert len(asked) == 2 * runs_of(size) < size / 3
    found, wanted = losses(runs), np.square(vectors).sum(axis=2).mean(axis=1) / 2
    assert np.argsort(-found)[:3].tolist() == [60, 11, 90]
    np.testing.assert_allclose(found[[60, 11, 90]], wanted[[60, 11, 90]], rtol=0.15)
    # What 24 blocks in float32 save is near what the best 24 would.
    saved, best = (wanted[np.argsort(-by)[:24]].sum() for by in (found, wanted))
    assert saved > 0.95 * best


def test_blocks_of_a_small_tower_are_measured_one_by_one() -> None:
    vectors = np.random.default_rng(4).normal(size=(5, 1, 8))
    runs = Runs.of(
        lambda _, shares: np.einsum("n,nbd->bd", shares, vectors),
        np.zeros((1, 9)),
        5,
        np.random.default_rng(),
    )
    np.testing.assert_allclose(losses([runs]), np.square(vectors).sum(axis=(1, 2)) / 2)
