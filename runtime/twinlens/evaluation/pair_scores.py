"""Scores of matching and other pairs: a model's cosines and probabilities."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from twinlens.bundle.calibration import Calibration, Negatives
from twinlens.evaluation.ground_truth import GroundTruth
from twinlens.evaluation.negative_sampling import sample_negatives
from twinlens.evaluation.predictions import Predictions
from twinlens.metrics.reliability import ScoredPairs
from twinlens.metrics.retrieval import Ints

F32 = NDArray[np.float32]

ROWS_AT_ONCE: Final = 2**14


def score_predictions(
    truth: GroundTruth, predictions: Predictions, *, prior: float | None, seed: int
) -> dict[Negatives, ScoredPairs]:
    """Score matching and other pairs, by the source of the others; empty without a calibration."""
    calibration = predictions.calibration
    if calibration is None:
        return {}
    if truth.labels is not None:
        if truth.labels.all():
            return {}
        cosines = _cosines(predictions, truth.pairs)
        labelled = ScoredPairs(
            cosines=cosines,
            probabilities=calibration.probability(cosines, prior=prior),
            labels=truth.labels,
            images=truth.pairs[0],
        )
        return {"labelled": labelled}
    scored: dict[Negatives, ScoredPairs] = {}
    for kind in ("random", "hard"):
        wrong = sample_negatives(
            predictions.images, predictions.texts, relevant=truth.relevant, kind=kind, seed=seed
        )
        if wrong[0].size:
            scored[kind] = _against(wrong, truth.relevant, predictions, calibration)
    return scored


def _against(
    wrong: tuple[Ints, Ints],
    relevant: tuple[Ints, Ints],
    predictions: Predictions,
    calibration: Calibration,
) -> ScoredPairs:
    pairs = np.concatenate([relevant[0], wrong[0]]), np.concatenate([relevant[1], wrong[1]])
    cosines = _cosines(predictions, pairs)
    labels = np.arange(len(cosines)) < len(relevant[0])
    return ScoredPairs(
        cosines=cosines,
        # The number of wrong pairs was our choice, so their prior is known.
        probabilities=calibration.probability(cosines, prior=float(labels.mean())),
        labels=labels,
        images=pairs[0],
    )


def _cosines(predictions: Predictions, pairs: tuple[Ints, Ints]) -> F32:
    cosines = np.empty(len(pairs[0]), dtype=np.float32)
    for start in range(0, len(cosines), ROWS_AT_ONCE):
        images, texts = (modality[start : start + ROWS_AT_ONCE] for modality in pairs)
        cosines[start : start + ROWS_AT_ONCE] = np.einsum(
            "md,md->m", predictions.images[images], predictions.texts[texts]
        )
    return cosines
