"""What changes where memory is low, and what does not."""

import pytest

import twinlens
from twinlens.demo.samples import bundled_drawings
from twinlens.embedding.tower import Tower


@pytest.mark.parametrize("precision", ["int8", "fp16"])
def test_embeddings_are_the_same_where_memory_is_low(precision: str) -> None:
    drawings = bundled_drawings()[:20]
    pictures, names = [d.path for d in drawings], [d.caption for d in drawings]
    usual = twinlens.load("demo", device="cpu", precision=precision, threads=2)
    frugal = twinlens.load("demo", device="cpu", precision=precision, threads=2, low_memory=True)
    # fp16 products are computed in another order, and half has 11 bits.
    for got, wanted in (
        (frugal.embed_images(pictures), usual.embed_images(pictures)),
        (frugal.embed_texts(names), usual.embed_texts(names)),
    ):
        assert (got * wanted).sum(axis=1).min() > 0.99999


def test_no_second_session_is_opened_where_memory_is_low() -> None:
    for low_memory, opened in ((True, 1), (False, 2)):
        model = twinlens.load("demo", device="cpu", threads=2, low_memory=low_memory)
        tower = model._images.tower
        assert isinstance(tower, Tower)
        tower.one_thread()
        assert len({id(tower._session), id(tower._single)}) == opened
