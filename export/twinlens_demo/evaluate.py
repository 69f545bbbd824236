"""How good the embeddings are on a set of drawings that was never trained on."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twinlens.demo.samples import CLASSES
from twinlens_demo.concepts import Concept

F32 = NDArray[np.float32]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recall:
    """Recall@k in percent and the median rank, over one set of queries."""

    at_1: float
    at_5: float
    at_10: float
    median_rank: float

    def __str__(self) -> str:
        return f"{self.at_1:5.1f} {self.at_5:5.1f} {self.at_10:5.1f}  rank {self.median_rank:.0f}"


def class_of(concept: Concept) -> str | None:
    """The zero-shot class of a concept, where it has one."""
    if concept.subgroup.startswith("face-"):
        return "face"
    if concept.subgroup.startswith("animal-"):
        return "animal"
    if concept.subgroup.startswith("food-"):
        return "food"
    if concept.subgroup in ("transport-ground", "transport-water", "transport-air"):
        return "vehicle"
    return "flag" if concept.group == "flags" else None


def same_drawings(pixels: NDArray[np.uint8]) -> Bools:
    """Which of N drawings are the same picture, as some flags are: [N, N]."""
    flat = pixels.reshape(len(pixels), -1)
    same = np.eye(len(pixels), dtype=bool)
    means = flat.mean(axis=1)
    for row in range(len(flat)):
        near = np.flatnonzero(np.abs(means - means[row]) < 1)
        gap = np.abs(flat[near].astype(np.int16) - flat[row]).mean(axis=1)
        same[row, near] |= gap < 1
    return same


def recall(scores: F32, right: Bools) -> Recall:
    """Recall of scores [Q, N]; right [Q, N] tells the right answers, at least one a query.

    The rank of a query is that of its best right answer; a tie counts against it.
    """
    best = np.where(right, scores, -np.inf).max(axis=1, keepdims=True)
    ranks = ((scores >= best) & ~right).sum(axis=1)
    at = [100.0 * float((ranks < k).mean()) for k in (1, 5, 10)]
    return Recall(at_1=at[0], at_5=at[1], at_10=at[2], median_rank=float(np.median(ranks)) + 1)


def zero_shot(images: F32, concepts: Sequence[Concept], class_rows: F32) -> float:
    """Share in percent of the drawings whose nearest of CLASSES is their own."""
    own = [class_of(concept) for concept in concepts]
    kept = [place for place, name in enumerate(own) if name is not None]
    guesses = (images[kept] @ class_rows.T).argmax(axis=1)
    return 100.0 * float(
        np.mean([CLASSES[guess] == own[place] for guess, place in zip(guesses, kept, strict=True)])
    )


def pair_calibration_error(
    probabilities: F32, right: Bools, *, negatives: int = 1, bins: int = 15
) -> float:
    """Expected calibration error over pairs [Q, N], so many random wrong ones to each right one.

    Bins of equal mass (Nixon et al. 2019); 0 is perfect.
    """
    random = np.random.default_rng(0)
    matching = probabilities[right]
    others = random.choice(probabilities[~right], negatives * len(matching), replace=False)
    guesses = np.concatenate([matching, others])
    truths = np.concatenate([np.ones(len(matching)), np.zeros(len(others))])
    order = np.argsort(guesses)
    parts = zip(
        np.array_split(guesses[order], bins), np.array_split(truths[order], bins), strict=True
    )
    gaps = [len(guess) * abs(guess.mean() - truth.mean()) for guess, truth in parts]
    return float(sum(gaps) / len(guesses))
