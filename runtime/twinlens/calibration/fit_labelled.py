"""Fits of a calibration to pairs labelled matching or not.

All three fits use Platt's targets (1999, section 2.2), just inside 0 and 1, in place of the labels:
a hundred pairs cannot prove a probability of 1. The curve is fitted at the labels' own share of
matches and then moved to the prior by its log-odds (King and Zeng 2001, prior correction): weighted
to a prior of 1e-4 instead, the targets of 600 negatives would outweigh all matches.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from twinlens.bundle.calibration import check_prior
from twinlens.bundle.curves import (
    BetaCurve,
    CalibrationCurve,
    IsotonicCurve,
    PlattCurve,
    beta_features,
)
from twinlens.bundle.log_odds import logit, sigmoid
from twinlens.calibration.logistic import fit_logistic

F64 = NDArray[np.float64]
Bools = NDArray[np.bool_]

CalibrationMethod = Literal["platt", "isotonic", "beta"]

MIN_PER_CLASS: Final = 10
"""Least number of pairs of either class."""
MIN_FOR_ISOTONIC: Final = 1000
"""Least number of pairs for isotonic regression, which overfits fewer."""
_INSIDE: Final = (np.finfo(np.float64).tiny, 1 - 2.0**-53)
"""Least and largest probability of a step: a prior near 0 or 1 moves others onto them."""


class LabelFit(Protocol):
    """Function that fits a curve to labelled cosines."""

    def __call__(
        self, cosines: F64, labels: Bools, *, prior: float | None = None
    ) -> CalibrationCurve:
        """Fit the curve of cosines [M] to their labels [M].

        Args:
            cosines: finite.
            labels: True for a matching pair.
            prior: share of matches that the curve is moved to; None leaves their own share.

        Raises:
            ValueError: too few pairs of either class, or matches are no closer than the others.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cases:
    """Targets [M] just inside 0 and 1, weights [M] that sum to 1, and the shift to the prior."""

    targets: F64
    shares: F64
    shift: float
    """Log-odds of the prior less those of the labels' own share."""


def fit_line(cosines: F64, labels: Bools, *, prior: float | None = None) -> PlattCurve:
    """Fit Platt scaling: logistic regression of the labels on the cosine."""
    cases = _cases(cosines, labels, prior)
    centre, spread = _standard(cosines)
    design = np.stack([(cosines - centre) / spread, np.ones_like(cosines)])
    weights = fit_logistic(design, cases.targets, cases.shares, np.array([1.0, 0.0]))
    scale = float(weights[0]) / spread
    return PlattCurve(scale=scale, bias=float(weights[1]) - scale * centre + cases.shift)


def fit_beta(cosines: F64, labels: Bools, *, prior: float | None = None) -> BetaCurve:
    """Fit beta calibration; a negative weight is dropped, as in Kull et al. 2017."""
    cases = _cases(cosines, labels, prior)
    features = beta_features(cosines)
    weights, bias = _weigh(features, cases)
    if (negative := np.flatnonzero(weights < 0)).size:
        kept = 1 - int(negative[0])
        (weight,), bias = _weigh((features[kept],), cases)
        weights = np.where(np.arange(2) == kept, weight, 0.0)
    return BetaCurve(rising=float(weights[0]), falling=float(weights[1]), bias=bias + cases.shift)


def fit_stairs(cosines: F64, labels: Bools, *, prior: float | None = None) -> IsotonicCurve:
    """Fit isotonic regression by pooling adjacent violators (Ayer et al. 1955)."""
    cases = _cases(cosines, labels, prior)
    if len(cosines) < MIN_FOR_ISOTONIC:
        raise ValueError(
            f"isotonic regression needs {MIN_FOR_ISOTONIC} or more pairs, got {len(cosines)}; "
            "use method='platt'"
        )
    steps, places = np.unique(cosines, return_inverse=True)
    loads = np.bincount(places, weights=cases.shares)
    sums = np.bincount(places, weights=cases.shares * cases.targets)
    levels = _pool(np.asarray(sums / loads, dtype=np.float64), np.asarray(loads, np.float64))
    # Only the ends of a flat run are knots.
    inner = np.zeros(len(levels), dtype=bool)
    inner[1:-1] = (levels[1:-1] == levels[:-2]) & (levels[1:-1] == levels[2:])
    moved = sigmoid(logit(levels[~inner]) + cases.shift)
    return IsotonicCurve(
        cosines=tuple(steps[~inner].tolist()),
        probabilities=tuple(np.clip(moved, *_INSIDE).tolist()),
    )


LABEL_FITS: Final[Mapping[CalibrationMethod, LabelFit]] = {
    "platt": fit_line,
    "isotonic": fit_stairs,
    "beta": fit_beta,
}


def require_both(matching: int, others: int, *, given: int) -> None:
    """Refuse too few pairs of either class; of those given, repeated ones are not counted.

    Raises:
        ValueError: there are fewer than ten of one class.
    """
    if min(matching, others) < MIN_PER_CLASS:
        repeats = "" if matching + others == given else f" of the {given} given, each counted once"
        cure = "" if others else ", or leave the labels out: then wrong texts are drawn"
        raise ValueError(
            f"a calibration needs {MIN_PER_CLASS} or more matching pairs and as many others, got "
            f"{matching} and {others}{repeats}; give more{cure}"
        )


def _cases(cosines: F64, labels: Bools, prior: float | None) -> _Cases:
    if cosines.ndim != 1 or cosines.shape != labels.shape:
        raise ValueError(
            f"cosines have shape {list(cosines.shape)}, labels {list(labels.shape)}, wanted [M]"
        )
    if not np.isfinite(cosines).all():
        raise ValueError("a cosine is not finite; leave out the rows that could not be embedded")
    n_matching = int(labels.sum())
    n_others = len(labels) - n_matching
    require_both(n_matching, n_others, given=len(labels))
    if cosines[labels].mean() <= cosines[~labels].mean():
        raise ValueError("matching pairs are no closer than others; does 1 mean a match?")
    shift = 0.0
    if prior is not None:
        check_prior(prior)
        shift = float(logit(prior) - logit(n_matching / len(labels)))
    return _Cases(
        targets=np.where(labels, (n_matching + 1) / (n_matching + 2), 1 / (n_others + 2)),
        shares=np.full(len(labels), 1 / len(labels)),
        shift=shift,
    )


def _standard(values: F64) -> tuple[float, float]:
    return float(values.mean()), float(values.std())


def _weigh(features: tuple[F64, ...], cases: _Cases) -> tuple[F64, float]:
    """Fit the weights of the features and the bias, in an orthogonal basis.

    Over the narrow band of a model's cosines, ln s and -ln(1 - s) are nearly collinear.
    """
    columns = np.stack(features, axis=1)
    centres = columns.mean(axis=0)
    basis, mixing = np.linalg.qr(columns - centres)
    size = np.sqrt(len(columns))
    design = np.concatenate([size * basis.T, np.ones((1, len(columns)))])
    start = np.zeros(len(features) + 1)
    found = fit_logistic(design, cases.targets, cases.shares, start)
    weights = np.asarray(np.linalg.solve(mixing, size * found[:-1]))
    return weights, float(found[-1] - centres @ weights)


def _pool(means: F64, loads: F64) -> F64:
    """Return the non-decreasing values nearest to the means, in weighted least squares."""
    # Stack of blocks: (mean, load, length).
    blocks: list[tuple[float, float, int]] = []
    for mean, load in zip(means.tolist(), loads.tolist(), strict=True):
        block = (mean, load, 1)
        while blocks and blocks[-1][0] >= block[0]:
            low, light, short = blocks.pop()
            total = light + block[1]
            block = ((low * light + block[0] * block[1]) / total, total, short + block[2])
        blocks.append(block)
    return np.repeat([block[0] for block in blocks], [block[2] for block in blocks])
