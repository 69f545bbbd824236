"""Misuse that mypy and pyright refuse: each line is an error, or the comment on it is one."""

from pathlib import Path

import twinlens
from twinlens import AsyncModel, Model


def misuse(model: Model) -> None:
    twinlens.lod("demo")  # type: ignore[attr-defined]
    twinlens.load("demo", device=0)  # type: ignore[arg-type]
    model.embed_texts("one text")  # type: ignore[arg-type]
    model.embed_texts_on_device("one text")  # type: ignore[arg-type]
    model.embed_texts([b"bytes"])  # type: ignore[list-item]
    model.embed_images("photo.jpg")  # type: ignore[arg-type]
    model.embed_images(Path("photo.jpg"))  # type: ignore[arg-type]
    model.stream_images("photos")  # type: ignore[arg-type]
    model.match(["photo.jpg"], "one text")  # type: ignore[arg-type]
    model.classify(["photo.jpg"], "dog")  # type: ignore[arg-type]
    model.embed_labels("dog")  # type: ignore[arg-type]
    model.embed_labels(["dog"], templates=b"a {}")  # type: ignore[arg-type]
    model.embed_images(["photo.jpg"], on_error="skip")  # type: ignore[arg-type]
    model.tokenize("one text")  # type: ignore[arg-type]
    model.embed_tokens(["a dog"])  # type: ignore[arg-type]
    model.embed_tokens(model.tokenize(["a dog"]).rows)  # type: ignore[arg-type]
    model.embed_pixels(model.embed_images(["photo.jpg"]))  # type: ignore[arg-type]
    model.embed_pixels([model.preprocess("photo.jpg")])  # type: ignore[arg-type]
    model.preprocess(["photo.jpg"])  # type: ignore[arg-type]


async def misuse_an_engine(serving: AsyncModel) -> None:
    await serving.embed_texts("one text")  # type: ignore[arg-type]
    await serving.embed_texts(["a dog"], priority="high")  # type: ignore[arg-type]
    AsyncModel("demo")  # type: ignore[arg-type]
