"""Pairs of both classes, with the probability that a model gives each."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from twinlens.bundle.calibration import Calibration, Negatives
from twinlens.evaluation.ground_truth import GroundTruth
from twinlens.evaluation.negative_sampling import wrong_texts
from twinlens.evaluation.predictions import Predictions
from twinlens.metrics.reliability import ScoredPairs
from twinlens.metrics.retrieval import Ints

F32 = NDArray[np.float32]

ROWS_AT_ONCE: Final = 2**14


def score(
    questions: GroundTruth, answers: Predictions, *, seed: int
) -> dict[Negatives, ScoredPairs]:
    """Pairs of both classes by where the wrong ones are from; none without a calibration."""
    calibration = answers.calibration
    if calibration is None:
        return {}
    if questions.labels is not None:
        if questions.labels.all():
            return {}
        cosines = _cosines(answers, questions.rows)
        labelled = ScoredPairs(
            cosines=cosines,
            probabilities=calibration.probability(cosines),
            labels=questions.labels,
            images=questions.rows[0],
        )
        return {"labelled": labelled}
    scored: dict[Negatives, ScoredPairs] = {}
    for kind in ("random", "hard"):
        wrong = wrong_texts(
            answers.images, answers.texts, right=questions.right, kind=kind, seed=seed
        )
        if wrong[0].size:
            scored[kind] = _against(wrong, questions.right, answers, calibration)
    return scored


def _against(
    wrong: tuple[Ints, Ints],
    right: tuple[Ints, Ints],
    answers: Predictions,
    calibration: Calibration,
) -> ScoredPairs:
    rows = np.concatenate([right[0], wrong[0]]), np.concatenate([right[1], wrong[1]])
    cosines = _cosines(answers, rows)
    labels = np.arange(len(cosines)) < len(right[0])
    return ScoredPairs(
        cosines=cosines,
        # How many wrong pairs there are was our choice: the calibration may know of it.
        probabilities=calibration.probability(cosines, prior=float(labels.mean())),
        labels=labels,
        images=rows[0],
    )


def _cosines(answers: Predictions, rows: tuple[Ints, Ints]) -> F32:
    cosines = np.empty(len(rows[0]), dtype=np.float32)
    for start in range(0, len(cosines), ROWS_AT_ONCE):
        images, texts = (side[start : start + ROWS_AT_ONCE] for side in rows)
        cosines[start : start + ROWS_AT_ONCE] = np.einsum(
            "md,md->m", answers.images[images], answers.texts[texts]
        )
    return cosines
