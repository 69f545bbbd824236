"""Towers in OpenVINO's int8, as its users make them: nncf on samples, with SmoothQuant.

Once of the plain export ("nncf"), once of our own float32 graph ("nncf_ours").
"""

from pathlib import Path
from typing import Final

import nncf
import numpy as np
import openvino
from transformers import CLIPTokenizerFast

from bench.harness.clip_pixels import scaled
from bench.towers.inputs.captions import captions
from bench.towers.inputs.pictures import pictures
from bench.towers.inputs.workspace import Modality, Workspace
from twinlens.bundle.bundle import open_bundle

SAMPLES: Final = {"B32": 300, "B16": 300, "L14": 64}
"""300 are nncf's default; of L14 each takes a second, and its speed does not depend on them."""
SEED: Final = 1
"""Seed of other pictures and another order of texts than those that are compared."""
SIDE_PX: Final = 224


def write_int8(workspace: Workspace, kind: str, modality: Modality, path: Path) -> None:
    source = (
        our_graph(workspace, modality)
        if kind == "nncf_ours"
        else workspace.graph("plain", modality)
    )
    dataset = nncf.Dataset(samples(workspace, kind, modality))
    model = nncf.quantize(
        openvino.Core().read_model(source),
        dataset,
        model_type=nncf.ModelType.TRANSFORMER,
        preset=nncf.QuantizationPreset.MIXED,
        subset_size=SAMPLES[workspace.model],
    )
    openvino.save_model(model, path, compress_to_fp16=False)


def our_graph(workspace: Workspace, modality: Modality) -> Path:
    bundle = open_bundle(workspace.bundle)
    return bundle.path(getattr(bundle.manifest.towers["fp32"], modality).file)


def samples(workspace: Workspace, kind: str, modality: Modality) -> list[np.ndarray]:
    """Return batches of one picture or text."""
    count = SAMPLES[workspace.model]
    if modality == "text":
        tokenizer = CLIPTokenizerFast.from_pretrained(workspace.checkpoint)
        rows = tokenizer(captions(count, SEED))["input_ids"]
        return [np.array([row], dtype=np.int64) for row in rows]
    pixels = pictures(count, SIDE_PX, SEED)
    return [row[None] if kind == "nncf_ours" else scaled(row[None]) for row in pixels]
