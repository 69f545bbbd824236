"""The whole flow of a first hour: embeddings, search both ways, predict, predict_proba.

Five drawings by a hand that the demo model never saw, and nine sentences about them.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import twinlens
from twinlens import Model
from twinlens.demo.samples import bundled_drawings

SENTENCES = [
    "a dog",
    "the face of a dog",
    "a slice of pizza",
    "something to eat",
    "a red apple",
    "a musical instrument",
    "a guitar",
    "an airplane",
    "a flying machine",
]
OF_DRAWING = {"dog face": 0, "pizza": 2, "red apple": 4, "guitar": 6, "airplane": 7}
"""The sentence that fits each drawing best."""


@pytest.fixture(scope="module")
def pictures() -> list[Path]:
    paths = {drawing.caption: drawing.path for drawing in bundled_drawings()}
    return [paths[caption] for caption in OF_DRAWING]


def test_a_first_hour_with_the_demo_model(model: Model, pictures: list[Path]) -> None:
    images = model.embed_images(pictures)
    texts = model.embed_texts(SENTENCES)
    assert images.shape == (5, model.width)
    assert texts.shape == (9, model.width)
    np.testing.assert_allclose(np.linalg.norm(images, axis=1), 1, atol=1e-5)

    # Which picture does a sentence mean?
    asked = model.embed_texts(["a guitar", "a dog"])
    found = twinlens.semantic_search(asked, images, top_k=1)
    assert [hits[0]["response_id"] for hits in found] == [3, 0]

    # Which sentence does a picture show?
    hits = twinlens.Index.build(texts).search(images, k=2)
    fitting = [
        set(row) & {sentence}
        for row, sentence in zip(hits.ids.tolist(), OF_DRAWING.values(), strict=True)
    ]
    assert all(fitting)

    # Do they match, and with what probability?
    right = [SENTENCES[place] for place in OF_DRAWING.values()]
    wrong = right[2:] + right[:2]
    pairs = pd.DataFrame({"image": pictures * 2, "text": right + wrong})
    assert model.predict(pairs).tolist() == [1] * 5 + [0] * 5
    probabilities = model.predict_proba(pairs)
    assert probabilities.shape == (10, 2)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-6)
    assert probabilities["match"][:5].min() > probabilities["match"][5:].max()
