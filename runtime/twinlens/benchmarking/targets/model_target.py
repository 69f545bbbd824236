"""Target in this process: a loaded model, and its engine for many callers."""

import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from twinlens.benchmarking.inputs import Items
from twinlens.benchmarking.options import Scenario, Settings
from twinlens.benchmarking.record import Accuracy, Inputs, Query, Result, Target
from twinlens.benchmarking.scenarios import cold, search
from twinlens.benchmarking.scenarios.loads import Asker, LoadQuery
from twinlens.benchmarking.scenarios.probe import Act, Probe
from twinlens.bundle.bundle import MANIFEST, open_bundle, sha256_of
from twinlens.bundle.specs import MODALITIES, Precision
from twinlens.errors import DeadlineError, OverloadedError, amount
from twinlens.loading import folder_of, load
from twinlens.model.model import Model
from twinlens.ort.device_choice import resolve
from twinlens.ort.device_copy import copied
from twinlens.serving.async_model import AsyncModel
from twinlens.texts.tokens import Tokens
from twinlens.threads import read_threads

F32 = NDArray[np.float32]
T = TypeVar("T")
BEST: Final[tuple[Precision, ...]] = ("fp32", "fp16", "bf16", "int8")
"""Precisions, the nearest to the original first."""
MOST_COMPARED: Final = 32
COPY_BATCH: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """Choices of the model's opening."""

    bundle: str
    device: str = "auto"
    precision: str = "auto"
    threads: int | None = None
    pixels: str = "exact"

    def open(self, *, threads: int | None = None, precision: str | None = None) -> Model:
        """Load the model, with other threads or another precision if they are given."""
        return load(
            self.bundle,
            device=self.device,
            precision=precision or self.precision,
            threads=threads or self.threads,
            pixels=self.pixels,
        )


class ModelTarget:
    """A model that is asked by calls."""

    def __init__(self, opening: Opening, items: Items, settings: Settings) -> None:
        """Load the model, and turn the items into inputs of its towers."""
        begun = time.perf_counter()
        self._opening, self._items, self._settings = opening, items, settings
        self._model = opening.open()
        self._load_s = time.perf_counter() - begun
        self._model.require(*MODALITIES)
        self._pixels = np.stack([self._model.preprocess(image) for image in items.images])
        self._tokens = self._model.tokenize(items.texts, on_cut="ignore")
        self._searched: search.Searched | None = None
        if "search" in settings.scenarios:
            self._searched = search.Searched(settings, width=self._model.width)

    @property
    def facts(self) -> Target:
        """Its name, its hashes and its choices."""
        model, opening = self._model, self._opening
        folder = folder_of(opening.bundle)
        return Target(
            kind="bundle",
            name=opening.bundle if opening.bundle == "demo" else Path(opening.bundle).name,
            source=model.about["model"],
            sha256=sha256_of(folder / MANIFEST),
            precision=model.precision,
            device=model.device,
            threads=read_threads(opening.threads),
            pixels=model.about["pixels"],
            operators=model.about.get("operators"),
            width=model.width,
            load_s=round(self._load_s, 4),
        )

    def inputs(self) -> Inputs:
        """Return facts of the images and texts, in tokens of this model."""
        long = self._model.tokenize(self._items.long_texts, on_cut="ignore")
        means = (float(np.mean(tokens.lengths)) for tokens in (self._tokens, long))
        tokens, long_tokens = (round(mean, 1) for mean in means)
        return self._items.facts(tokens=tokens, long_tokens=long_tokens)

    def accuracy(self) -> Mapping[str, Accuracy]:
        """Return cosines with the best precision of the bundle, and the exporter's verification.

        Rows of the best precision itself have the verification alone, which compared them with the
        original model.
        """
        manifest = open_bundle(folder_of(self._opening.bundle)).manifest
        towers = manifest.towers[self._model.precision]
        found = {
            f"{kind}, by the exporter": Accuracy(
                reference=f"{manifest.source.name}, when it was exported",
                worst=tower.agreement.worst_cosine,
                mean=tower.agreement.mean_cosine,
                samples=tower.agreement.samples,
            )
            for kind, tower in towers.there().items()
        }
        if self._searched is not None:
            found["search"] = self._searched.accuracy()
        best = next(name for name in BEST if name in manifest.towers)
        if best == self._model.precision:
            return found
        device = "cpu" if manifest.towers[best].device != "cuda" else self._opening.device
        pixels, texts = self._pixels[:MOST_COMPARED], self._tokens[:MOST_COMPARED]
        with load(self._opening.bundle, device=device, precision=best) as reference:
            theirs = reference.embed_pixels(pixels), reference.embed_tokens(texts)
        ours = self._model.embed_pixels(pixels), self._model.embed_tokens(texts)
        for kind, mine, other in zip(("image", "text"), ours, theirs, strict=True):
            found[kind] = agreement(mine, other, reference=f"{best} of the bundle")
        return found

    def probes(self) -> Sequence[Probe]:
        """Return single queries, batches with and without decoding, and searches."""
        settings, found = self._settings, list[Probe]()
        if "single" in settings.scenarios:
            found += self._single()
        if "offline" in settings.scenarios:
            for batch in settings.batches:
                found += self._offline(batch)
            if self._model.device.startswith("cuda"):
                found.append(self._copy())
        if self._searched is not None:
            found += self._searched.probes(threads=self._opening.threads)
        return found

    def left_out(self) -> Sequence[Result]:
        """Return batches of more texts than there are distinct ones, which would be fewer."""
        settings, most = self._settings, len(self._items.texts)
        return [
            _missing("offline", name, query, f"there are {most} distinct texts: more --texts")
            for batch in settings.batches
            if batch > most and "offline" in settings.scenarios
            for name, query in _offline_texts(batch).items()
        ]

    @asynccontextmanager
    async def asker(self) -> AsyncIterator[Asker]:
        """Open the engine on a model of one thread, as `twinlens serve` does."""
        workers = read_threads(self._opening.threads)
        with self._opening.open(threads=1) as model:
            async with AsyncModel(model, workers=workers) as engine:
                yield _Engine(engine, self._items, bulk=self._settings.bulk_images)

    def cold(self, seconds: float) -> Sequence[Result]:
        """Start fresh processes, and ask this one once a second."""
        half = seconds / 2
        first = cold.from_nothing(vars_of(self._opening), self._items, seconds=half)
        return [first, *cold.once_a_second(self._single()[:2], seconds=half)]

    def close(self) -> None:
        """Give the memory of the towers back."""
        self._model.close()

    def _single(self) -> list[Probe]:
        items, model = self._items, self._model

        def image(number: int) -> object:
            return model.embed_images([_at(items.images, number)])

        def text(number: int) -> object:
            return model.embed_texts([_at(items.texts, number)], on_cut="ignore")

        def long_text(number: int) -> object:
            return model.embed_texts([_at(items.long_texts, number)], on_cut="ignore")

        acts: dict[Query, Act] = {"image": image, "text": text, "long text": long_text}
        return [
            Probe(scenario="single", name=f"one {query}", query=query, items=1, act=act)
            for query, act in acts.items()
        ]

    def _offline(self, batch: int) -> list[Probe]:
        items, model = self._items, self._model
        images = [_at(items.images, number) for number in range(batch)]
        pixels = self._pixels[np.arange(batch) % len(self._pixels)]

        def encoded_images(_: int) -> object:
            return model.embed_images(images)

        def ready_pixels(_: int) -> object:
            return model.embed_pixels(pixels)

        acts: dict[str, tuple[Query, Act]] = {
            amount(batch, "image"): ("image", encoded_images),
            f"{amount(batch, 'image')}, decoded before": ("pixels", ready_pixels),
        }
        if batch <= len(items.texts):
            texts = [list(items.texts[at : at + batch]) for at in _starts(items.texts, batch)]
            tokens = [self._tokens[at : at + batch] for at in _starts(items.texts, batch)]
            names = _offline_texts(batch)
            text_acts: tuple[Act, Act] = (_texts_of(model, texts), _tokens_of(model, tokens))
            for (name, query), act in zip(names.items(), text_acts, strict=True):
                acts[name] = (query, act)
        return [
            Probe(scenario="offline", name=name, query=query, items=batch, act=act)
            for name, (query, act) in acts.items()
        ]

    def _copy(self) -> Probe:
        """Return the copy of a batch's pixels to the device, beside which a tower computes."""
        pixels = self._pixels[np.arange(COPY_BATCH) % len(self._pixels)]
        device = resolve(self._model.device)
        return Probe(
            scenario="offline",
            name=f"{COPY_BATCH} images, their pixels copied to the device and no more",
            query="copy",
            items=COPY_BATCH,
            act=lambda _: copied(pixels, device),
        )


class _Engine:
    """Asker of the engine in this process."""

    def __init__(self, engine: AsyncModel, items: Items, *, bulk: int) -> None:
        self._engine, self._items, self._bulk = engine, items, bulk

    async def ask(self, query: LoadQuery, number: int) -> bool:
        """Ask for the rows of one text, one image, or a bulk of them."""
        items = self._items
        try:
            if query == "text":
                await self._engine.embed_texts([_at(items.texts, number)])
            elif query == "image":
                await self._engine.embed_images([_at(items.images, number)])
            else:
                bulk = [_at(items.images, place) for place in range(self._bulk)]
                await self._engine.embed_images(bulk, priority="bulk")
        except (OverloadedError, DeadlineError):
            return False
        return True


def agreement(ours: F32, theirs: F32, *, reference: str) -> Accuracy:
    """Return the cosines of unit rows [B, D] of two makers."""
    cosines = np.einsum("bd,bd->b", ours.astype(np.float64), theirs.astype(np.float64))
    return Accuracy(
        reference=reference,
        worst=round(min(1.0, float(cosines.min())), 6),
        mean=round(min(1.0, float(cosines.mean())), 6),
        samples=len(cosines),
    )


def vars_of(opening: Opening) -> dict[str, object]:
    """Return the choices as arguments of `twinlens.load`."""
    return {
        "bundle": opening.bundle,
        "device": opening.device,
        "precision": opening.precision,
        "threads": opening.threads,
        "pixels": opening.pixels,
    }


def _texts_of(model: Model, batches: Sequence[list[str]]) -> Act:
    return lambda number: model.embed_texts(_at(batches, number), on_cut="ignore")


def _tokens_of(model: Model, batches: Sequence[Tokens]) -> Act:
    return lambda number: model.embed_tokens(_at(batches, number))


def _offline_texts(batch: int) -> dict[str, Query]:
    name = amount(batch, "text")
    return {name: "text", f"{name}, tokenized before": "tokens"}


def _missing(scenario: Scenario, name: str, query: Query, reason: str) -> Result:
    return Result(scenario=scenario, name=name, query=query, valid=False, reason=reason)


def _starts(texts: Sequence[str], batch: int) -> range:
    """Return the starts of whole batches."""
    return range(0, len(texts) - batch + 1, batch)


def _at(values: Sequence[T], number: int) -> T:
    return values[number % len(values)]
