"""Preparation of all that is not timed: checkpoints, inputs, ground truth, graphs.

A graph that is there already is not made again.
"""

import importlib
import json
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import torch
from PIL import Image
from transformers import CLIPModel, CLIPTokenizerFast

from bench.harness.clip_pixels import scaled
from bench.harness.embeddings import normalized
from bench.harness.random_weights import accept_any_ranking
from bench.towers.inputs.captions import captions
from bench.towers.inputs.models import write_checkpoint
from bench.towers.inputs.pictures import pictures
from bench.towers.inputs.plain_graphs import write_dynamic, write_traced
from bench.towers.inputs.shapes import SHAPES
from bench.towers.inputs.workspace import Modality, Workspace, padded
from twinlens_export import export

PICTURES: Final = 256
TEXTS: Final = 256
FULL_TEXTS: Final = 64
COMPARED: Final = 64
SIDE_PX: Final = 224
PHOTO_PX: Final = (640, 480)


def prepare(workspace: Workspace, kinds: set[str], modalities: Sequence[Modality]) -> None:
    """Make the inputs that contenders of these kinds of graphs need."""
    workspace.folder.mkdir(parents=True, exist_ok=True)
    make_once(workspace.checkpoint, lambda path: write_checkpoint(SHAPES[workspace.model], path))
    write_inputs(workspace)
    for modality in modalities:
        make_once(
            workspace.ground_truth(modality),
            lambda path, one=modality: write_truth(workspace, one, path),
        )
    make_once(workspace.bundle, lambda path: write_bundle(workspace, path))
    makers = {
        "plain": write_traced,
        "dynamo": write_traced,
        "dynamic": write_dynamic,
        "nncf": write_nncf,
        "nncf_ours": write_nncf,
    }
    for kind, make in makers.items():
        for modality in modalities if kind in kinds else ():
            path = workspace.graph(kind, modality)
            path.parent.mkdir(exist_ok=True)
            make_once(
                path,
                lambda path, make=make, kind=kind, one=modality: make(workspace, kind, one, path),
            )


def write_nncf(workspace: Workspace, kind: str, modality: Modality, path: Path) -> None:
    """Write int8 by nncf, which is imported here: without it all else is made."""
    graphs = importlib.import_module("bench.towers.inputs.openvino_graphs")
    graphs.write_int8(workspace, kind, modality, path)


def make_once(path: Path, make: Callable[[Path], None]) -> None:
    """Make a file or a folder beside its place and move it there: a cut leaves nothing."""
    if path.exists():
        return
    print(f"making {path}", flush=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as unfinished:
        make(Path(unfinished) / path.name)
        # OpenVINO's weights before the description that names them.
        for made in sorted(Path(unfinished).iterdir()):
            made.rename(path.parent / made.name)


def write_inputs(workspace: Workspace) -> None:
    """Write the pictures and texts, the same for all models."""
    make_once(
        workspace.work / "pixels.npy",
        lambda path: np.save(path, pictures(PICTURES, SIDE_PX, seed=0)),
    )
    make_once(
        workspace.photo,
        lambda path: Image.fromarray(workspace.pixels()[0]).resize(PHOTO_PX).save(path, quality=90),
    )
    make_once(workspace.work / "texts.json", lambda path: write_texts(workspace, path))


def write_texts(workspace: Workspace, path: Path) -> None:
    tokenizer = CLIPTokenizerFast.from_pretrained(workspace.checkpoint)
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
def write_truth(workspace: Workspace, modality: Modality, path: Path) -> None:
    """Write rows of the first COMPARED items by transformers' own eager code in float32."""
    model = CLIPModel.from_pretrained(workspace.checkpoint, attn_implementation="eager").eval()
    parts = []
    for start in range(0, COMPARED, 16):
        if modality == "image":
            batch = scaled(workspace.pixels()[start : start + 16])
            rows = model.get_image_features(torch.from_numpy(batch))
        else:
            ids = padded(workspace.caption_ids()[start : start + 16])
            rows = model.get_text_features(torch.from_numpy(ids))
        parts.append(normalized(getattr(rows, "pooler_output", rows).numpy()))
    np.save(path, np.concatenate(parts))


def write_bundle(workspace: Workspace, path: Path) -> None:
    """Write our bundle, calibrated and verified as anybody's: on the package's samples."""
    accept_any_ranking()
    export(workspace.checkpoint, path, precisions=("fp32", "bf16", "int8"))
