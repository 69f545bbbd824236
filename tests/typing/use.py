"""Use that mypy and pyright accept: every kind of batch."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl

import twinlens
from twinlens import (
    AsyncModel,
    Base64Image,
    Cancellation,
    EmbeddedBlock,
    Index,
    Limits,
    Model,
    NamedImage,
    PixelOptions,
    ReadOptions,
    Tokens,
)


def use(named: Iterator[NamedImage]) -> list[EmbeddedBlock]:
    read = ReadOptions(background=(0, 0, 0), limits=Limits(max_pixels=10_000_000))
    model: Model = twinlens.load("demo", pixels=PixelOptions(mode="fast", read=read))
    model.embed_texts(["a dog"])
    model.search(Index.build(model.embed_texts(["a dog"])), "a dog")
    model.search(Index.build(model.embed_texts(["a dog"])), [Path("a.png"), b"bytes"], k=3)
    model.match(["a.png"], ["a dog"], level="assumed", on_cut="error")
    model.match_images(["a.png"], [Path("b.png")], on_error="nan")
    twinlens.semantic_search(model, query_data=["a dog"], response_data=pd.DataFrame(), top_k=3)
    twinlens.evaluate(model, pd.DataFrame(), prior=0.1)
    model.embed_texts(("a dog",))
    model.embed_texts({"a dog"})
    model.embed_texts({"a dog": 1}.keys())
    model.embed_texts(f"{n} dogs" for n in range(2))
    model.embed_texts(iter(["a dog"]))
    model.embed_texts(np.array(["a dog"]))
    model.embed_texts(pd.Series(["a dog"]))
    model.embed_texts(pl.Series(["a dog"]))
    model.embed_images(["photo.jpg", Path("photo.jpg"), b"", np.zeros((2, 2, 3), dtype=np.uint8)])
    model.embed_images(np.zeros((1, 2, 2, 3), dtype=np.uint8))
    model.embed_images(twinlens.read_images("photos"))
    model.classify(pd.Series(["photo.jpg"]), labels=["dog"], templates=("a {}",))
    model.embed_labels(["dog"], templates="a {}")
    with twinlens.load("demo", threads=1, spinning=True) as other:
        tokens: Tokens = other.tokenize(iter(["a dog"]))
        pixels = np.stack([other.preprocess("photo.jpg"), other.preprocess(next(named))])
        other.embed_pixels(pixels, cancel=Cancellation())
        other.embed_tokens(tokens[0] + tokens[1:], cancel=None)
    index = Index.build(np.eye(3), ids=["a", "b", "c"])
    if "a" in index:
        index.update(np.eye(3)[:1], [*index.ids[:1]])
    second = Index.build(index.blocks(100))
    second.update(index.blocks())
    second.merge(index, Index.from_parquet("photos.parquet"))
    with second.writer() as writer:
        writer.add([1.0, 0.0, 0.0], ["d"])
    return [*model.stream_images(named)]


async def serve() -> None:
    async with AsyncModel(twinlens.load("demo", threads=1), workers=2) as serving:
        await serving.embed_texts(["a dog"], priority="interactive", timeout_s=1)
        await serving.embed_images(["photo.jpg", Base64Image("data:image/png;base64,")])
        (await serving.embed(["a dog", b""])).rows.sum()
        await serving.match(["photo.jpg"], ["a dog"], prior=0.1)
        (await serving.classify([b""], ["dog"])).best.index("dog")
