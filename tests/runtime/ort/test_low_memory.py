"""Low memory: the same embeddings, from one session."""

from typing import Any

import numpy as np
import pytest
from half_demo import half_demo

import twinlens
from twinlens import Model
from twinlens.demo.samples import bundled_drawings
from twinlens.embedding import image_embedder, text_embedder
from twinlens.embedding.tower import Tower
from twinlens.ort.session import Session
from twinlens_kernels import operators


@pytest.mark.parametrize("precision", ["int8", "fp16"])
def test_embeddings_are_the_same_where_memory_is_low(precision: str) -> None:
    drawings = bundled_drawings()[:20]
    pictures, names = [d.path for d in drawings], [d.caption for d in drawings]
    usual = twinlens.load(half_demo(), device="cpu", precision=precision, threads=2)
    frugal = twinlens.load(
        half_demo(), device="cpu", precision=precision, threads=2, low_memory=True
    )
    # fp16 products are computed in another order, and half has 11 bits.
    for got, wanted in (
        (frugal.embed_images(pictures), usual.embed_images(pictures)),
        (frugal.embed_texts(names), usual.embed_texts(names)),
    ):
        assert (got * wanted).sum(axis=1).min() > 0.99999


def test_no_second_session_is_opened_where_memory_is_low() -> None:
    for low_memory, opened in ((True, 1), (False, 2)):
        model = twinlens.load("demo", device="cpu", threads=2, low_memory=low_memory)
        tower = model._encoders.images.tower
        assert isinstance(tower, Tower)
        tower.single_threaded()
        assert len({id(tower._session), id(tower._single)}) == opened


def largest_change(model: Model) -> float:
    """Largest difference between a row alone and in a batch."""
    pictures = [drawing.path for drawing in bundled_drawings()[:30]]
    texts = [f"a dog number {number}" * (1 + number % 3) for number in range(30)]
    alone = [model.embed_images([picture]) for picture in pictures]
    named = [model.embed_texts([text], on_cut="ignore") for text in texts]
    images = np.concatenate(alone) - model.embed_images(pictures)
    words = np.concatenate(named) - model.embed_texts(texts, on_cut="ignore")
    return float(max(np.abs(images).max(), np.abs(words).max()))


@pytest.mark.parametrize("low_memory", [False, True])
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(("precision", "bound"), [("int8", 1e-6), ("fp16", 1e-4)])
def test_a_row_does_not_depend_on_its_batch(
    precision: str, bound: float, threads: int, low_memory: bool
) -> None:
    model = twinlens.load(
        half_demo(), device="cpu", precision=precision, threads=threads, low_memory=low_memory
    )
    if precision == "int8" and (not low_memory or operators.path() is not None):
        bound = 0
    assert largest_change(model) <= bound


@pytest.mark.parametrize("threads", [1, 2])
def test_runs_are_small_and_nothing_is_kept_where_memory_is_low(
    threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: dict[str, set[int]] = {"pixel_values": set(), "input_ids": set()}
    given_back = []
    run = Session.run

    def watched(self: Session, feeds: Any, output: str, **more: Any) -> Any:  # noqa: ANN401
        for name, batch in feeds.items():
            sizes[name].add(len(batch))
        return run(self, feeds, output, **more)

    pictures = [drawing.path for drawing in bundled_drawings()[:20]]
    texts = [f"a dog number {number}" for number in range(70)]
    model = twinlens.load("demo", device="cpu", threads=threads, low_memory=True)
    monkeypatch.setattr(Session, "run", watched)
    for module in (image_embedder, text_embedder):
        monkeypatch.setattr(module, "give_back", lambda: given_back.append(1))
    model.embed_images(pictures)
    model.embed_texts(texts)
    pixels = np.stack([model.preprocess(picture) for picture in pictures])
    model.embed_pixels(pixels)
    model.embed_tokens(model.tokenize(texts))
    assert len(given_back) == 4
    assert max(sizes["pixel_values"]) == 4
    assert max(sizes["input_ids"]) == 16
    usual = twinlens.load("demo", device="cpu", threads=threads)
    usual.embed_pixels(pixels)
    assert len(given_back) == 4
    assert max(sizes["pixel_values"]) == 16
