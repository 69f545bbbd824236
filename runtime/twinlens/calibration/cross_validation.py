"""Cross-validation: figures of a calibration on images held out of its fit."""

import dataclasses
import logging
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from twinlens.bundle.calibration import Calibration, CalibrationLevel, HeldOut, Negatives, Threshold
from twinlens.bundle.curves import CalibrationCurve
from twinlens.bundle.log_odds import sigmoid
from twinlens.metrics import reliability

logger = logging.getLogger(__name__)

F64 = NDArray[np.float64]
Bools = NDArray[np.bool_]
Places = NDArray[np.intp]

FOLDS: Final = 5
MIN_PER_CLASS: Final = 10
"""Least number of pairs of either class for meaningful figures."""
STEPS: Final = (0.01, *(step / 20 for step in range(1, 20)), 0.99)
"""Probabilities in the table of thresholds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledCosines:
    """Cosines of pairs, with their labels."""

    cosines: F64
    """[M]"""
    labels: Bools
    """[M], True for a matching pair."""


class PairSample(Protocol):
    """Pairs to be fitted and scored on parts of them, chosen by their images."""

    prior: float
    level: CalibrationLevel
    negatives: Negatives
    images: Places
    """[P], index of each pair's image."""
    matching: int
    others: int

    def fit(self, chosen: Bools) -> CalibrationCurve:
        """Fit the curve of the chosen [P] pairs."""
        ...

    def score(self, chosen: Bools) -> LabelledCosines:
        """Return the chosen [P] pairs and their negatives."""
        ...


def with_held_out_figures(whole: Calibration, sample: PairSample) -> Calibration:
    """Return the calibration with figures by FOLDS-fold cross-validation over images."""
    random = np.random.default_rng(0)
    _, places = np.unique(sample.images, return_inverse=True)
    folds = random.permutation(int(places.max()) + 1)[places] % FOLDS
    logits, labels = [], []
    for fold in range(FOLDS):
        try:
            curve = sample.fit(folds != fold)
        except ValueError as error:
            logger.info("too little to hold out for figures: %s", error)
            return whole
        scored = sample.score(folds == fold)
        logits.append(curve.logits(scored.cosines))
        labels.append(scored.labels)
    truths, found = np.concatenate(labels), np.concatenate(logits)
    chosen = _at_prior(truths, whole.prior, random)
    return dataclasses.replace(
        whole,
        held_out=_figures(sigmoid(found[chosen]), truths[chosen]),
        thresholds=_thresholds(sigmoid(found), truths, whole.prior),
    )


def _at_prior(labels: Bools, prior: float, random: np.random.Generator) -> Places:
    """Draw as many pairs as possible at random, so that their share of matches is the prior."""
    matching, others = np.flatnonzero(labels), np.flatnonzero(~labels)
    size = min(len(matching) / prior, len(others) / (1 - prior))
    return np.concatenate(
        [
            random.choice(matching, round(size * prior), replace=False),
            random.choice(others, round(size * (1 - prior)), replace=False),
        ]
    )


def _figures(probabilities: F64, labels: Bools) -> HeldOut | None:
    if min(labels.sum(), (~labels).sum()) < MIN_PER_CLASS:
        logger.info("too few pairs at that prior for figures")
        return None
    return HeldOut(
        pairs=len(labels),
        base_rate=float(labels.mean()),
        ece=reliability.ece(probabilities, labels),
        brier=reliability.brier(probabilities, labels),
        log_loss=reliability.log_loss(probabilities, labels),
        auc=reliability.auc(probabilities, labels),
    )


def _thresholds(probabilities: F64, labels: Bools, prior: float) -> tuple[Threshold, ...]:
    matching, others = np.sort(probabilities[labels]), np.sort(probabilities[~labels])
    table = []
    for step in STEPS:
        recall = 1 - float(np.searchsorted(matching, step)) / len(matching)
        alarms = 1 - float(np.searchsorted(others, step)) / len(others)
        said = prior * recall + (1 - prior) * alarms
        if said > 0:
            table.append(
                Threshold(probability=step, precision=prior * recall / said, recall=recall)
            )
    return tuple(table)
