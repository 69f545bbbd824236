"""sentence-transformers' CLIP module, made of the checkpoint."""

import logging
from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image
from sentence_transformers import SentenceTransformer
from sentence_transformers.models import CLIPModel as ClipModule

from bench.harness.clip_pixels import scaled
from bench.harness.embeddings import F32, batches, normalized
from bench.towers.contenders import Embed, Engine, FirstEmbeddings, Settings
from bench.towers.engines.plain_script import TEXT
from bench.towers.inputs.workspace import U8, Ids, Modality, Workspace, padded

logging.getLogger("sentence_transformers").setLevel(logging.ERROR)


class SentenceTransformers(Engine):
    """Engine fed with features of its preprocessing; texts by length, as `encode` sorts them."""

    def __init__(self, model: SentenceTransformer) -> None:
        self._model = model

    def images(self, pixels: U8) -> Embed:
        return self._embed(
            [
                {"pixel_values": torch.from_numpy(scaled(batch)), "modality": "image"}
                for batch in batches(pixels)
            ],
            np.arange(len(pixels)),
        )

    def texts(self, rows: Sequence[Ids]) -> Embed:
        order = np.argsort([-len(row) for row in rows], kind="stable")
        ready = [self._text_features(batch) for batch in batches([rows[place] for place in order])]
        return self._embed(ready, np.argsort(order))

    def _text_features(self, rows: Sequence[Ids]) -> dict[str, object]:
        ids = torch.from_numpy(padded(rows))
        lengths = torch.tensor([len(row) for row in rows])
        mask = (torch.arange(ids.shape[1]) < lengths[:, None]).long()
        return {"input_ids": ids, "attention_mask": mask, "modality": "text"}

    def _embed(self, ready: Sequence[dict[str, object]], order: np.ndarray) -> Embed:
        @torch.inference_mode()
        def embed() -> F32:
            # A copy: the module adds what it found to the features.
            found = [self._model(dict(batch))["sentence_embedding"] for batch in ready]
            return normalized(torch.cat(found).numpy())[order]

        return embed


def opened(workspace: Workspace, threads: int) -> SentenceTransformer:
    torch.set_num_threads(threads)
    return SentenceTransformer(modules=[ClipModule(str(workspace.checkpoint))], device="cpu")


def open_engine(workspace: Workspace, _: Sequence[Modality], threads: int, __: Settings) -> Engine:
    return SentenceTransformers(opened(workspace, threads))


def first_embeddings(workspace: Workspace, threads: int, _: Settings) -> FirstEmbeddings:
    model = opened(workspace, threads)
    with Image.open(workspace.photo) as image:
        picture = model.encode([image.convert("RGB")])
    words = model.encode([TEXT])
    return FirstEmbeddings(image=normalized(picture)[0], text=normalized(words)[0], held=model)
