"""The sensitivity of blocks to int8."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from twinlens_export.blocks.fp32 import FloatBlocks
from twinlens_export.blocks.int8 import Int8Blocks
from twinlens_export.checkpoints.checkpoint import Checkpoint, read_checkpoint
from twinlens_export.quantization.activation_stats import embed
from twinlens_export.quantization.sensitivity import sensitivities
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
