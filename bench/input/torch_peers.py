"""Peers from files to embeddings with torch: transformers, and sentence-transformers above it."""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

from bench.input.torchvision_stub import import_torchvision

import_torchvision()  # before all that import it

import numpy as np
import torch
from PIL import Image
from sentence_transformers import SentenceTransformer
from sentence_transformers.models import CLIPModel as SentenceClip
from transformers import (
    CLIPConfig,
    CLIPImageProcessor,
    CLIPModel,
    CLIPProcessor,
    CLIPTokenizerFast,
    CLIPVisionModelWithProjection,
)

from bench.harness.embeddings import BATCH, F32, batches, normalized
from bench.harness.paths import DEMO_TOKENIZER
from bench.harness.random_weights import accept_any_ranking
from twinlens_export import export

logging.getLogger("sentence_transformers").setLevel(logging.ERROR)

Embedder = Callable[[Sequence[Path]], F32]


def transformers(work: Path, threads: int) -> Embedder:
    torch.set_num_threads(threads)
    model = CLIPModel.from_pretrained(work / "checkpoint").eval()
    processor = CLIPProcessor.from_pretrained(work / "checkpoint")

    @torch.inference_mode()
    def embed(paths: Sequence[Path]) -> F32:
        parts = []
        for batch in batches(paths):
            images = [Image.open(path) for path in batch]
            rows = model.get_image_features(**processor(images=images, return_tensors="pt"))
            parts.append(normalized(getattr(rows, "pooler_output", rows).numpy()))
        return np.concatenate(parts)

    return embed


def sentence_transformers(work: Path, threads: int) -> Embedder:
    torch.set_num_threads(threads)
    model = SentenceTransformer(modules=[SentenceClip(str(work / "checkpoint"))], device="cpu")

    def embed(paths: Sequence[Path]) -> F32:
        images = [Image.open(path) for path in paths]
        return normalized(model.encode(images, batch_size=BATCH, show_progress_bar=False))

    return embed


def prepare(work: Path) -> None:
    """Make a checkpoint of ViT-B/32's shape, its bundle and its traced graph."""
    if not (work / "bundle" / "twinlens.json").exists():
        checkpoint = random_checkpoint(work / "checkpoint")
        accept_any_ranking()
        export(checkpoint, work / "bundle", precisions=("fp32", "int8"))
    if not graph_of(work).exists():
        trace(work)


def random_checkpoint(folder: Path) -> Path:
    """Write ViT-B/32 with random weights, beside the demo model's tokenizer."""
    torch.manual_seed(0)
    marks = {"bos_token_id": 3070, "eos_token_id": 3071, "pad_token_id": 3071}
    CLIPModel(CLIPConfig(projection_dim=512, text_config=marks)).save_pretrained(folder)
    CLIPImageProcessor().save_pretrained(folder)
    CLIPTokenizerFast(tokenizer_file=str(DEMO_TOKENIZER), model_max_length=77).save_pretrained(
        folder
    )
    return folder


def graph_of(work: Path) -> Path:
    return work / "traced" / "vision_model.onnx"


def trace(work: Path) -> None:
    """Write the image tower as torch.onnx.export makes it."""

    class Tower(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            found = CLIPVisionModelWithProjection.from_pretrained(work / "checkpoint")
            self.tower = found.eval()

        def forward(self, pixel_values: torch.Tensor) -> torch.Tensor:
            return self.tower(pixel_values=pixel_values).image_embeds

    path = graph_of(work)
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.onnx.export(
        Tower(),
        (torch.zeros(1, 3, 224, 224),),
        path,
        input_names=["pixel_values"],
        output_names=["image_embeds"],
        dynamic_axes={"pixel_values": {0: "batch"}, "image_embeds": {0: "batch"}},
        opset_version=17,
        dynamo=False,
    )
