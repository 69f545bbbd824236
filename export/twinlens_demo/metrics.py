"""The metrics of the demo model: recall, zero-shot accuracy and calibration error."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twinlens.demo.samples import CLASSES
from twinlens_demo.concepts import Concept, class_of

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


def recall(scores: F32, relevant: Bools) -> Recall:
    """Return the recall of scores [Q, N]; relevant [Q, N] has at least one True a query.

    The rank of a query is that of its best relevant item; a tie counts against it.
    """
    best = np.where(relevant, scores, -np.inf).max(axis=1, keepdims=True)
    ranks = ((scores >= best) & ~relevant).sum(axis=1)
    at = [100.0 * float((ranks < k).mean()) for k in (1, 5, 10)]
    return Recall(at_1=at[0], at_5=at[1], at_10=at[2], median_rank=float(np.median(ranks)) + 1)


def zero_shot(images: F32, concepts: Sequence[Concept], class_rows: F32) -> float:
    """Return the zero-shot accuracy in percent over the drawings with one of CLASSES."""
    own = [class_of(concept) for concept in concepts]
    kept = [number for number, name in enumerate(own) if name is not None]
    guesses = (images[kept] @ class_rows.T).argmax(axis=1)
    return 100.0 * float(
        np.mean([CLASSES[guess] == own[n] for guess, n in zip(guesses, kept, strict=True)])
    )


def pair_calibration_error(
    probabilities: F32, relevant: Bools, *, negatives: int = 1, bins: int = 15
) -> float:
    """Return the expected calibration error over pairs [Q, N]: 0 is perfect.

    Args:
        probabilities: of a match.
        relevant: True for matching pairs.
        negatives: number of random others for each matching pair.
        bins: number of bins of equal mass (Nixon et al. 2019).
    """
    random = np.random.default_rng(0)
    matching = probabilities[relevant]
    others = random.choice(probabilities[~relevant], negatives * len(matching), replace=False)
    guesses = np.concatenate([matching, others])
    truths = np.concatenate([np.ones(len(matching)), np.zeros(len(others))])
    order = np.argsort(guesses)
    parts = zip(
        np.array_split(guesses[order], bins), np.array_split(truths[order], bins), strict=True
    )
    gaps = [len(guess) * abs(guess.mean() - truth.mean()) for guess, truth in parts]
    return float(sum(gaps) / len(guesses))
