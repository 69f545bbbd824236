"""twinlens as a bundle gives it: its towers as they are, or its public calls."""

from collections.abc import Sequence

import numpy as np

import twinlens
from bench.towers.contenders import Embed, Engine, FirstRows, Settings
from bench.towers.engines.plain_script import TEXT
from bench.towers.inputs.workspace import U8, Ground, Ids, Side


class Towers(Engine):
    """A packed batch in, rows out: what the peers are timed on too."""

    def __init__(self, model: twinlens.Model) -> None:
        self._images, self._texts = model._image_tower, model._text_tower
        self._pack = model._text_works.tokenizer.pack

    def images(self, pixels: U8) -> Embed:
        ready = np.ascontiguousarray(pixels)
        return lambda: self._images.embed(ready)

    def texts(self, rows: Sequence[Ids]) -> Embed:
        ids = self._pack(rows)
        return lambda: self._texts.embed(ids)


class PublicCalls(Engine):
    """embed_images of arrays, and embed_texts of strings, tokenised within."""

    def __init__(self, model: twinlens.Model, ground: Ground) -> None:
        self._model, self._strings = model, ground.strings()

    def images(self, pixels: U8) -> Embed:
        return lambda: self._model.embed_images(pixels)

    def texts(self, rows: Sequence[Ids]) -> Embed:
        strings = [self._strings[tuple(row)] for row in rows]
        return lambda: self._model.embed_texts(strings, on_cut="ignore")


def opened(ground: Ground, threads: int, precision: str) -> twinlens.Model:
    return twinlens.load(ground.bundle, device="cpu", precision=precision, threads=threads)


def open_engine(ground: Ground, _: Sequence[Side], threads: int, settings: Settings) -> Engine:
    model = opened(ground, threads, settings["precision"])
    return PublicCalls(model, ground) if settings["public"] else Towers(model)


def first_rows(ground: Ground, threads: int, settings: Settings) -> FirstRows:
    model = opened(ground, threads, settings["precision"])
    image, text = model.embed_images([ground.photo])[0], model.embed_texts([TEXT])[0]
    return FirstRows(image=image, text=text, held=model)
