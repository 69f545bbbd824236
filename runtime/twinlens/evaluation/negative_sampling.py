"""Negative sampling: non-matching texts of images with known matches only."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from twinlens.metrics.retrieval import SCORES_AT_ONCE, Ints

F32 = NDArray[np.float32]


def sample_negatives(
    images: F32,
    texts: F32,
    *,
    relevant: tuple[Ints, Ints],
    kind: Literal["random", "hard"],
    seed: int = 0,
) -> tuple[Ints, Ints]:
    """Sample as many wrong texts of an image as it has matching ones, or all if there are fewer.

    Random texts are easy negatives: they are rarely related to the image. Hard negatives are the
    nearest wrong texts; a person would accept some of them. The truth lies between the two.

    Args:
        images: [B, D], unit rows.
        texts: [N, D], unit rows.
        relevant: pairs (image, matching text), [M] each.
        kind: "random" or "hard".
        seed: seed of the random choice.

    Returns:
        Pairs (image, wrong text).
    """
    generator = np.random.default_rng(seed)
    order = np.argsort(relevant[0], kind="stable")
    of_image, matching = relevant[0][order], relevant[1][order]
    found: list[tuple[int, Ints]] = []
    step = max(1, SCORES_AT_ONCE // len(texts))
    for start in range(0, len(images), step):
        block = images[start : start + step]
        scores = block @ texts.T if kind == "hard" else generator.random((len(block), len(texts)))
        edges = np.searchsorted(of_image, np.arange(start, start + len(block) + 1))
        for place, row in enumerate(scores):
            own = np.unique(matching[edges[place] : edges[place + 1]])
            row[own] = -np.inf
            n_wanted = min(len(own), len(texts) - len(own))
            found.append((start + place, np.argsort(-row, kind="stable")[:n_wanted]))
    return (
        np.concatenate([np.full(len(rows), image) for image, rows in found]).astype(np.intp),
        np.concatenate([rows for _, rows in found]),
    )
