"""Fit of a calibration to matched pairs alone, without labels of non-matches.

N matched pairs give N positives on the diagonal of the cosine matrix [N, N] and N(N-1) in-batch
negatives off it. Those negatives are random, so easy ones, and a few of them are unlabelled
(hidden) matches: their share is estimated by expectation maximisation, as for presence-only data
(Ward et al. 2009).
"""

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from twinlens.bundle.calibration import check_prior
from twinlens.bundle.curves import PlattCurve
from twinlens.bundle.log_odds import logit, sigmoid
from twinlens.calibration.logistic import fit_logistic

F64 = NDArray[np.float64]
Bools = NDArray[np.bool_]

MIN_PAIRS: Final = 10
BINS: Final = 2**12
"""Number of bins that negatives are counted in: N = 2000 pairs have four million of them."""
ROUNDS: Final = 100
CONVERGED: Final = 1e-5
"""Largest change of a negative's match probability at which expectation maximisation ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pairs:
    """Standardised cosines: each matching pair, and the others in bins."""

    matching: F64
    """[N]"""
    others: F64
    """[bins], mean of each bin."""
    counts: F64
    """[bins], number of others in each bin."""

    @classmethod
    def of(cls, matching: F64, others: F64) -> Self:
        """Count the others in bins."""
        values, counts = _binned(others)
        return cls(matching=matching, others=values, counts=counts)


def fit_pairs(
    cosines: NDArray[np.floating], *, prior: float = 0.5, negatives: Bools | None = None
) -> PlattCurve:
    """Fit the line of p = sigmoid(scale * cosine + bias) to the cosines of matched pairs.

    Row i and column i match. The classes are weighted to even odds inside the loss, since an
    intercept fitted to one positive in N is fragile; the line is then moved to the prior by its
    log-odds (King and Zeng 2001). Weighted to a prior below 1 / N instead, Platt's targets of the
    negatives would outweigh all positives.

    Args:
        cosines: [N, N], each of N rows against each of N columns.
        prior: share of matching pairs that the probabilities are for.
        negatives: [N, N], True for the others that count as negatives; all do by default. Hidden
            matches among them are estimated on all others.

    Raises:
        ValueError: there are fewer than ten pairs, a cosine is not finite, matches are no closer
            than non-matches, or the prior is not between 0 and 1.
    """
    check_prior(prior)
    matrix = _checked(cosines)
    beside = ~np.eye(len(matrix), dtype=bool)
    centre, spread = float(matrix.mean()), float(matrix.std())
    standard = (matrix - centre) / spread
    pairs = _Pairs.of(standard.diagonal(), standard[beside])
    weights, share = _maximise(pairs)
    if negatives is not None:
        chosen = _Pairs.of(pairs.matching, standard[negatives & beside])
        weights = _refit(chosen, weights, share)
    scale = float(weights[0]) / spread
    return PlattCurve(scale=scale, bias=float(weights[1]) - scale * centre + float(logit(prior)))


def require_enough(kept: int, *, given: int) -> None:
    """Refuse too few pairs; of those given, the ones that repeat others are not kept.

    Raises:
        ValueError: there are fewer than ten.
    """
    if kept < MIN_PAIRS:
        repeats = ""
        if kept < given:
            repeats = f" of the {given} given: an image or a text that repeats counts once"
        raise ValueError(
            f"a calibration needs {MIN_PAIRS} or more pairs, got {kept}{repeats}; give more"
        )


def _checked(cosines: NDArray[np.floating]) -> F64:
    matrix = np.asarray(cosines, dtype=np.float64)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        raise ValueError(f"cosines have shape {list(matrix.shape)}, wanted [N, N] of matched pairs")
    require_enough(len(matrix), given=len(matrix))
    if not np.isfinite(matrix).all():
        raise ValueError("a cosine is not finite; leave out the rows that could not be embedded")
    if matrix.diagonal().mean() <= matrix[~np.eye(len(matrix), dtype=bool)].mean():
        raise ValueError("matched pairs are no closer than others; are the columns in one order?")
    return matrix


def _refit(chosen: _Pairs, weights: F64, share: float) -> F64:
    """Fit the weights again on chosen negatives, less their hidden matches by the fit on all."""
    loads = chosen.counts * (1 - _hidden(chosen, weights, share))
    if loads.sum() < MIN_PAIRS:
        raise ValueError(
            f"of {chosen.counts.sum():.0f} negatives, all but {loads.sum():.1f} look like matches; "
            "calibrate on random ones"
        )
    found = _fit(chosen, loads, weights)
    if found[0] <= 0:
        raise ValueError(
            "matched pairs are no closer than these negatives; "
            "the model cannot tell them apart: calibrate on random ones"
        )
    return found


def _binned(values: F64) -> tuple[F64, F64]:
    """Return the mean and the count of each non-empty bin."""
    counts, edges = np.histogram(values, BINS)
    sums, _ = np.histogram(values, edges, weights=values)
    filled = counts > 0
    return sums[filled] / counts[filled], counts[filled].astype(np.float64)


def _maximise(pairs: _Pairs) -> tuple[F64, float]:
    """Alternate between fitting and estimating the hidden matches, until the estimates converge.

    Returns the weights and the share of hidden matches.
    """
    weights = _fit(pairs, pairs.counts, np.array([1.0, 0.0]))
    hidden = np.zeros_like(pairs.others)
    share = 1 / (10 * len(pairs.matching))  # start: a hidden match in every tenth row
    for _ in range(ROUNDS):
        guesses = _hidden(pairs, weights, share)
        moved, hidden = np.abs(guesses - hidden).max(), guesses
        if moved < CONVERGED:
            break
        # At most half: beyond, the two classes would swap.
        share = float(np.clip(np.average(hidden, weights=pairs.counts), 1e-12, 0.5))
        weights = _fit(pairs, pairs.counts * (1 - hidden), weights)
    return weights, share


def _hidden(pairs: _Pairs, weights: F64, share: float) -> F64:
    """Return the probability that the others in each bin are hidden matches."""
    return sigmoid(weights[0] * pairs.others + weights[1] + logit(share))


def _fit(pairs: _Pairs, loads: F64, weights: F64) -> F64:
    """Fit the weights of least log-loss at even odds; hidden matches are in neither class.

    The targets are Platt's (1999, section 2.2), just inside 0 and 1: where a threshold separates
    all matches from all others, targets of 0 and 1 would make the slope infinite.
    """
    n_matching, n_others = len(pairs.matching), pairs.counts.sum()
    targets = np.concatenate(
        [
            np.full(n_matching, (n_matching + 1) / (n_matching + 2)),
            np.full(len(loads), 1 / (n_others + 2)),
        ]
    )
    shares = np.concatenate([np.full(n_matching, 0.5 / n_matching), 0.5 * loads / loads.sum()])
    values = np.concatenate([pairs.matching, pairs.others])
    return fit_logistic(np.stack([values, np.ones_like(values)]), targets, shares, weights)
