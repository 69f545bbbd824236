"""The towers in OpenVINO's int8, as its users make them: nncf on 300 samples, with SmoothQuant.

Once of the plain export ("nncf"), once of our own float32 graph ("nncf_ours").
"""

from pathlib import Path
from typing import Final

import nncf
import numpy as np
import openvino
from captions import captions
from ground import Ground, Side, scaled
from pictures import pictures
from transformers import CLIPTokenizerFast

from twinlens.bundle import open_bundle

SAMPLES: Final = 300
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
        subset_size=SAMPLES,
    )
    openvino.save_model(model, path, compress_to_fp16=False)


def our_graph(ground: Ground, side: Side) -> Path:
    bundle = open_bundle(ground.bundle)
    return bundle.path(getattr(bundle.manifest.towers["fp32"], side).file)


def samples(ground: Ground, kind: str, side: Side) -> list[np.ndarray]:
    """One picture or text at a time."""
    if side == "text":
        tokenizer = CLIPTokenizerFast.from_pretrained(ground.checkpoint)
        rows = tokenizer(captions(SAMPLES, SEED))["input_ids"]
        return [np.array([row], dtype=np.int64) for row in rows]
    pixels = pictures(SAMPLES, SIDE_PX, SEED)
    return [row[None] if kind == "nncf_ours" else scaled(row[None]) for row in pixels]
