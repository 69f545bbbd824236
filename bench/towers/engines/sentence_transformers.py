"""sentence-transformers' CLIP module, made of the checkpoint."""

import logging
from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image
from sentence_transformers import SentenceTransformer
from sentence_transformers.models import CLIPModel as ClipModule

from bench.towers.contenders import Embed, Engine, FirstRows, Settings
from bench.towers.engines.batches import batches
from bench.towers.engines.plain_script import TEXT
from bench.towers.inputs.workspace import F32, U8, Ground, Ids, Side, padded, scaled, unit

logging.getLogger("sentence_transformers").setLevel(logging.ERROR)


class SentenceTransformers(Engine):
    """Features as its own preprocessing makes them; texts sorted by length, as `encode` does."""

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
            return unit(torch.cat(found).numpy())[order]

        return embed


def opened(ground: Ground, threads: int) -> SentenceTransformer:
    torch.set_num_threads(threads)
    return SentenceTransformer(modules=[ClipModule(str(ground.checkpoint))], device="cpu")


def open_engine(ground: Ground, _: Sequence[Side], threads: int, __: Settings) -> Engine:
    return SentenceTransformers(opened(ground, threads))


def first_rows(ground: Ground, threads: int, _: Settings) -> FirstRows:
    model = opened(ground, threads)
    with Image.open(ground.photo) as image:
        picture = model.encode([image.convert("RGB")])
    words = model.encode([TEXT])
    return FirstRows(image=unit(picture)[0], text=unit(words)[0], held=model)
