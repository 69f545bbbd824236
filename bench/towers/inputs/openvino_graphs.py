"""The towers in OpenVINO's int8, as its users make them: nncf on samples, with SmoothQuant.

Once of the plain export ("nncf"), once of our own float32 graph ("nncf_ours").
"""

from pathlib import Path
from typing import Final

import nncf
import numpy as np
import openvino
from transformers import CLIPTokenizerFast

from bench.towers.inputs.captions import captions
from bench.towers.inputs.pictures import pictures
from bench.towers.inputs.workspace import Ground, Side, scaled
from twinlens.bundle import open_bundle

SAMPLES: Final = {"B32": 300, "B16": 300, "L14": 64}
"""300 are nncf's default; of L14 each takes a second, and its speed does not depend on them."""
SEED: Final = 1
"""Other pictures and another order of texts than those that are judged."""
SIDE_PX: Final = 224


def write_int8(ground: Ground, kind: str, side: Side, path: Path) -> None:
    source = our_graph(ground, side) if kind == "nncf_ours" else ground.graph("plain", side)
    dataset = nncf.Dataset(samples(ground, kind, side))
    model = nncf.quantize(
        openvino.Core().read_model(source),
        dataset,
        model_type=nncf.ModelType.TRANSFORMER,
        preset=nncf.QuantizationPreset.MIXED,
        subset_size=SAMPLES[ground.model],
    )
    openvino.save_model(model, path, compress_to_fp16=False)


def our_graph(ground: Ground, side: Side) -> Path:
    bundle = open_bundle(ground.bundle)
    return bundle.path(getattr(bundle.manifest.towers["fp32"], side).file)


def samples(ground: Ground, kind: str, side: Side) -> list[np.ndarray]:
    """One picture or text at a time."""
    count = SAMPLES[ground.model]
    if side == "text":
        tokenizer = CLIPTokenizerFast.from_pretrained(ground.checkpoint)
        rows = tokenizer(captions(count, SEED))["input_ids"]
        return [np.array([row], dtype=np.int64) for row in rows]
    pixels = pictures(count, SIDE_PX, SEED)
    return [row[None] if kind == "nncf_ours" else scaled(row[None]) for row in pixels]
