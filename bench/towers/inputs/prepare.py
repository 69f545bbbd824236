"""Everything that is not timed: checkpoints, inputs, the truth, and every contender's graphs.

A graph that is there already is not made again.
"""

import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
import torch
from PIL import Image
from transformers import CLIPModel, CLIPTokenizerFast

from bench.towers.inputs.captions import captions
from bench.towers.inputs.models import SHAPES, write_checkpoint
from bench.towers.inputs.openvino_graphs import write_int8
from bench.towers.inputs.pictures import pictures
from bench.towers.inputs.plain_graphs import write_dynamic, write_traced
from bench.towers.inputs.workspace import F32, Ground, Side, padded, scaled, unit
from twinlens_export import export, verify

PICTURES: Final = 256
TEXTS: Final = 256
FULL_TEXTS: Final = 64
JUDGED: Final = 64
SIDE_PX: Final = 224
PHOTO_PX: Final = (640, 480)


def prepare(ground: Ground, kinds: set[str], sides: Sequence[Side]) -> None:
    """Make what the contenders of these kinds of graphs need."""
    ground.folder.mkdir(parents=True, exist_ok=True)
    once(ground.checkpoint, lambda path: write_checkpoint(SHAPES[ground.model], path))
    write_inputs(ground)
    for side in sides:
        once(ground.truth(side), lambda path, side=side: np.save(path, truth(ground, side)))
    once(ground.bundle, lambda path: write_bundle(ground, path))
    makers = {
        "plain": write_traced,
        "dynamo": write_traced,
        "dynamic": write_dynamic,
        "nncf": write_int8,
        "nncf_ours": write_int8,
    }
    for kind, make in makers.items():
        for side in sides if kind in kinds else ():
            path = ground.graph(kind, side)
            path.parent.mkdir(exist_ok=True)
            once(path, lambda path, m=make, k=kind, s=side: m(ground, k, s, path))


def once(path: Path, make: Callable[[Path], None]) -> None:
    """Make a file or a folder beside its place and move it there: what is cut leaves nothing."""
    if path.exists():
        return
    print(f"making {path}", flush=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as unfinished:
        make(Path(unfinished) / path.name)
        # OpenVINO's weights before the description that names them.
        for made in sorted(Path(unfinished).iterdir()):
            made.rename(path.parent / made.name)


def write_inputs(ground: Ground) -> None:
    """The same pictures and texts for all models."""
    once(
        ground.work / "pixels.npy",
        lambda path: np.save(path, pictures(PICTURES, SIDE_PX, seed=0)),
    )
    once(
        ground.photo,
        lambda path: Image.fromarray(ground.pixels()[0]).resize(PHOTO_PX).save(path, quality=90),
    )
    once(ground.work / "texts.json", lambda path: write_texts(ground, path))


def write_texts(ground: Ground, path: Path) -> None:
    tokenizer = CLIPTokenizerFast.from_pretrained(ground.checkpoint)
    texts = captions(TEXTS, seed=0)
    long = [" ".join(texts[start : start + 20]) for start in range(FULL_TEXTS)]
    document = {
        "captions": texts,
        "caption_ids": tokenizer(texts)["input_ids"],
        "full_texts": long,
        "full_ids": tokenizer(long, truncation=True)["input_ids"],
    }
    path.write_text(json.dumps(document), encoding="utf-8")


@torch.inference_mode()
def truth(ground: Ground, side: Side) -> F32:
    """Rows of the first JUDGED pictures or captions by transformers' own eager code in float32."""
    model = CLIPModel.from_pretrained(ground.checkpoint, attn_implementation="eager").eval()
    parts = []
    for start in range(0, JUDGED, 16):
        if side == "image":
            batch = scaled(ground.pixels()[start : start + 16])
            rows = model.get_image_features(torch.from_numpy(batch))
        else:
            ids = padded(ground.caption_ids()[start : start + 16])
            rows = model.get_text_features(torch.from_numpy(ids))
        parts.append(unit(getattr(rows, "pooler_output", rows).numpy()))
    return np.concatenate(parts)


def write_bundle(ground: Ground, path: Path) -> None:
    """Ours, calibrated and verified as anybody's: on the samples inside the package."""
    # Random weights rank nothing: all answers nearly tie. The cosines are judged as ever.
    verify.TOLERANCES = {
        precision: replace(tolerance, top1=0.0)
        for precision, tolerance in verify.TOLERANCES.items()
    }
    export(ground.checkpoint, path, precisions=("fp32", "int8"))
