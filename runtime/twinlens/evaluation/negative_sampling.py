"""Wrong texts for images of which only the right ones are known."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from twinlens.metrics.retrieval import SCORES_AT_ONCE, Ints

F32 = NDArray[np.float32]


def wrong_texts(
    images: F32,
    texts: F32,
    *,
    right: tuple[Ints, Ints],
    kind: Literal["random", "hard"],
    seed: int = 0,
) -> tuple[Ints, Ints]:
    """Images and wrong texts, as many of an image as it has right ones, where there are so many.

    Random ones are easy: they rarely have anything to do with the image. Hard ones are the nearest
    wrong texts, some of which a person would call right: the truth lies between the two.

    Args:
        images: [B, D], unit rows.
        texts: [N, D], unit rows.
        right: an image and a text that are known to match, [M] each.
        kind: "random" or "hard".
        seed: of the random choice.
    """
    generator = np.random.default_rng(seed)
    order = np.argsort(right[0], kind="stable")
    owners, answers = right[0][order], right[1][order]
    found: list[tuple[int, Ints]] = []
    step = max(1, SCORES_AT_ONCE // len(texts))
    for start in range(0, len(images), step):
        block = images[start : start + step]
        scores = block @ texts.T if kind == "hard" else generator.random((len(block), len(texts)))
        edges = np.searchsorted(owners, np.arange(start, start + len(block) + 1))
        for place, row in enumerate(scores):
            own = np.unique(answers[edges[place] : edges[place + 1]])
            row[own] = -np.inf
            n_wanted = min(len(own), len(texts) - len(own))
            found.append((start + place, np.argsort(-row, kind="stable")[:n_wanted]))
    return (
        np.concatenate([np.full(len(rows), image) for image, rows in found]).astype(np.intp),
        np.concatenate([rows for _, rows in found]),
    )
