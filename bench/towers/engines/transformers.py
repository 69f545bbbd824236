"""transformers' CLIPModel: eager, with SDPA, compiled, or under bf16 autocast."""

import contextlib
import os
from collections.abc import Callable, Sequence

import numpy as np
import torch
from PIL import Image
from transformers import CLIPModel, CLIPProcessor

from bench.harness.clip_pixels import scaled
from bench.harness.embeddings import F32, batches, normalized
from bench.towers.contenders import Embed, Engine, FirstEmbeddings, Settings
from bench.towers.engines.plain_script import TEXT
from bench.towers.inputs.workspace import MODALITIES, U8, Ids, Modality, Workspace, padded

Features = Callable[[torch.Tensor], torch.Tensor]


class Transformers(Engine):
    """Engine fed with tensors that are there already, in inference mode."""

    def __init__(self, model: CLIPModel, *, compiled: bool, half: bool) -> None:
        self.features: dict[Modality, Features] = {
            "image": features_of(model.get_image_features, compiled=compiled),
            "text": features_of(model.get_text_features, compiled=compiled),
        }
        self._half = half

    def images(self, pixels: U8) -> Embed:
        return self._embed("image", [scaled(batch) for batch in batches(pixels)])

    def texts(self, rows: Sequence[Ids]) -> Embed:
        return self._embed("text", [padded(batch) for batch in batches(rows)])

    def _embed(self, modality: Modality, ready: Sequence[np.ndarray]) -> Embed:
        tensors = [torch.from_numpy(batch) for batch in ready]
        features = self.features[modality]

        @torch.inference_mode()
        def embed() -> F32:
            with self.precision():
                return np.concatenate(
                    [normalized(features(batch).float().numpy()) for batch in tensors]
                )

        return embed

    def precision(self) -> contextlib.AbstractContextManager[object]:
        return torch.autocast("cpu", torch.bfloat16) if self._half else contextlib.nullcontext()


def features_of(method: Callable[..., object], *, compiled: bool) -> Features:
    def features(given: torch.Tensor) -> torch.Tensor:
        found = method(given)
        return getattr(found, "pooler_output", found)

    # Marked dynamic, as a caption has another length than the one before.
    return torch.compile(features, dynamic=True) if compiled else features


def opened(workspace: Workspace, threads: int, attention: str) -> CLIPModel:
    torch.set_num_threads(threads)
    os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(workspace.work / "inductor"))
    found = CLIPModel.from_pretrained(workspace.checkpoint, attn_implementation=attention)
    return found.eval()


def open_engine(
    workspace: Workspace, _: Sequence[Modality], threads: int, settings: Settings
) -> Transformers:
    model = opened(workspace, threads, settings["attention"])
    return Transformers(model, compiled=settings["compiled"], half=settings["half"])


@torch.inference_mode()
def first_embeddings(workspace: Workspace, threads: int, settings: Settings) -> FirstEmbeddings:
    engine = open_engine(workspace, MODALITIES, threads, settings)
    processor = CLIPProcessor.from_pretrained(workspace.checkpoint)
    with Image.open(workspace.photo) as image, engine.precision():
        pixels = processor(images=image, return_tensors="pt")["pixel_values"]
        ids = processor(text=[TEXT], return_tensors="pt")["input_ids"]
        image_row = engine.features["image"](pixels).float().numpy()
        text_row = engine.features["text"](ids).float().numpy()
    return FirstEmbeddings(
        image=normalized(image_row)[0], text=normalized(text_row)[0], held=engine
    )
