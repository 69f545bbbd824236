"""twinlens as a bundle gives it: its towers as they are, or its public calls."""

from collections.abc import Sequence

import numpy as np

import twinlens
from bench.towers.contenders import Embed, Engine, FirstEmbeddings, Settings
from bench.towers.engines.plain_script import TEXT
from bench.towers.inputs.workspace import U8, Ids, Modality, Workspace


class Towers(Engine):
    """Engine of the bare towers, packed batch in, rows out: the peers are timed so too."""

    def __init__(self, model: twinlens.Model) -> None:
        self._images, self._texts = model._encoders.images.tower, model._encoders.texts.tower
        self._pack = model._encoders.texts.tokenizer.pack

    def images(self, pixels: U8) -> Embed:
        ready = np.ascontiguousarray(pixels)
        return lambda: self._images.embed(ready)

    def texts(self, rows: Sequence[Ids]) -> Embed:
        ids = self._pack(rows)
        return lambda: self._texts.embed(ids)


class PublicCalls(Engine):
    """Engine of the public calls: embed_images of arrays, embed_texts of strings."""

    def __init__(self, model: twinlens.Model, workspace: Workspace) -> None:
        self._model, self._strings = model, workspace.strings()

    def images(self, pixels: U8) -> Embed:
        return lambda: self._model.embed_images(pixels)

    def texts(self, rows: Sequence[Ids]) -> Embed:
        strings = [self._strings[tuple(row)] for row in rows]
        return lambda: self._model.embed_texts(strings, on_cut="ignore")


def opened(workspace: Workspace, threads: int, precision: str) -> twinlens.Model:
    return twinlens.load(workspace.bundle, device="cpu", precision=precision, threads=threads)


def open_engine(
    workspace: Workspace, _: Sequence[Modality], threads: int, settings: Settings
) -> Engine:
    model = opened(workspace, threads, settings["precision"])
    return PublicCalls(model, workspace) if settings["public"] else Towers(model)


def first_embeddings(workspace: Workspace, threads: int, settings: Settings) -> FirstEmbeddings:
    model = opened(workspace, threads, settings["precision"])
    image, text = model.embed_images([workspace.photo])[0], model.embed_texts([TEXT])[0]
    return FirstEmbeddings(image=image, text=text, held=model)
