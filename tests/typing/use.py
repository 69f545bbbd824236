"""Use that mypy and pyright accept: every kind of batch."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl

import twinlens
from twinlens import EmbeddedBlock, Index, Limits, Model, NamedImage, PixelOptions, ReadOptions


def use(named: Iterator[NamedImage]) -> list[EmbeddedBlock]:
    read = ReadOptions(background=(0, 0, 0), limits=Limits(max_pixels=10_000_000))
    model: Model = twinlens.load("demo", pixels=PixelOptions(mode="fast", read=read))
    model.embed_texts(["a dog"])
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
    index = Index.build(np.eye(3), ids=["a", "b", "c"])
    if "a" in index:
        index.update(np.eye(3)[:1], [*index.ids[:1]])
    other = Index.build(index.blocks(100))
    other.update(index.blocks())
    other.merge(index, Index.from_parquet("photos.parquet"))
    with other.writer() as writer:
        writer.add([1.0, 0.0, 0.0], ["d"])
    return [*model.stream_images(named)]
