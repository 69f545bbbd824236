"""The fit of a calibration from matched pairs alone, without labels of non-matches.

N matched pairs give N positives on the diagonal of the cosine matrix [N, N] and N(N-1) in-batch
negatives beside it. Those negatives are easy ones, being drawn at random, and a few of them are
matches that nobody wrote down: their share is estimated by expectation maximisation, as for
presence-only data (Ward et al. 2009).
"""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]

FEWEST: Final = 10
BINS: Final = 2**12
"""Negatives are counted in bins, each at its mean: N = 2000 has four million of them."""
ROUNDS: Final = 100
STILL: Final = 1e-5
"""The expectation maximisation ends when no negative's chance of being a match moves more."""
NEWTON_STEPS: Final = 100
CONVERGED: Final = 1e-14
"""Newton's method ends when the loss, about 1, would fall by no more than half of this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pairs:
    """Standardised cosines: the matching pairs one by one, the others in bins."""

    matching: F64
    others: F64
    counts: F64
    """How many of the others each bin has."""


def fit_pairs(cosines: NDArray[np.float32], *, prior: float = 0.5) -> tuple[float, float]:
    """Scale and bias of p = sigmoid(scale * cosine + bias), from the cosines of matched pairs.

    Row i and column i belong together. The classes are weighted to the prior inside the loss:
    shifting the intercept afterwards is fragile when positives are one in N.

    Args:
        cosines: [N, N], each of N rows against each of N columns.
        prior: share of matching pairs that the probabilities shall speak of.

    Raises:
        ValueError: fewer than ten pairs, a cosine that is not finite, matches that are no closer
            than non-matches, or a prior that is not between 0 and 1.
    """
    if not 0 < prior < 1:
        raise ValueError(f"prior is {prior}, not between 0 and 1")
    matrix = np.asarray(cosines, dtype=np.float64)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        raise ValueError(f"cosines have shape {list(matrix.shape)}, wanted [N, N] of matched pairs")
    if len(matrix) < FEWEST:
        raise ValueError(f"{len(matrix)} pairs are too few to calibrate on; give at least {FEWEST}")
    if not np.isfinite(matrix).all():
        raise ValueError("a cosine is not finite; leave out the rows that could not be embedded")
    diagonal = np.eye(len(matrix), dtype=bool)
    matching, others = matrix[diagonal], matrix[~diagonal]
    if matching.mean() <= others.mean():
        raise ValueError("matched pairs are no closer than others; are the columns in one order?")
    centre, spread = float(matrix.mean()), float(matrix.std())
    values, counts = _binned((others - centre) / spread)
    weights = _maximise(
        _Pairs(matching=(matching - centre) / spread, others=values, counts=counts), prior
    )
    scale = float(weights[0]) / spread
    return scale, float(weights[1]) - scale * centre


def _binned(values: F64) -> tuple[F64, F64]:
    """The mean of each bin that is not empty, and its count."""
    counts, edges = np.histogram(values, BINS)
    sums, _ = np.histogram(values, edges, weights=values)
    filled = counts > 0
    return sums[filled] / counts[filled], counts[filled].astype(np.float64)


def _maximise(pairs: _Pairs, prior: float) -> F64:
    """Fit, guess which negatives are hidden matches, fit again, until the guesses stand still."""
    weights = _newton(pairs, pairs.counts, prior, np.array([1.0, 0.0]))
    hidden = np.zeros_like(pairs.others)
    share = 1 / (10 * len(pairs.matching))  # to begin with, a hidden match in every tenth row
    for _ in range(ROUNDS):
        logits = weights[0] * pairs.others + weights[1]
        guesses = _sigmoid(logits + _logit(share) - _logit(prior))
        moved, hidden = np.abs(guesses - hidden).max(), guesses
        if moved < STILL:
            break
        # Never more than half: beyond, the two classes would change their names.
        share = float(np.clip(np.average(hidden, weights=pairs.counts), 1e-12, 0.5))
        weights = _newton(pairs, pairs.counts * (1 - hidden), prior, weights)
    return weights


def _newton(pairs: _Pairs, loads: F64, prior: float, weights: F64) -> F64:
    """The weights of least log-loss; a hidden match counts for neither class, being in no load.

    The targets are Platt's (1999, section 2.2), just inside 0 and 1: where a threshold tells all
    matches from all others, targets of 0 and 1 would make the slope infinite.
    """
    n_matching, n_others = len(pairs.matching), pairs.counts.sum()
    targets = np.concatenate(
        [
            np.full(n_matching, (n_matching + 1) / (n_matching + 2)),
            np.full(len(loads), 1 / (n_others + 2)),
        ]
    )
    shares = np.concatenate(
        [np.full(n_matching, prior / n_matching), (1 - prior) * loads / loads.sum()]
    )
    values = np.concatenate([pairs.matching, pairs.others])
    design = np.stack([values, np.ones_like(values)])

    def loss_of(weights: F64) -> float:
        logits = weights @ design
        return float(shares @ (np.logaddexp(0, logits) - targets * logits))

    loss = loss_of(weights)
    for _ in range(NEWTON_STEPS):
        guesses = _sigmoid(weights @ design)
        gradient = design @ (shares * (guesses - targets))
        hessian = (design * (shares * guesses * (1 - guesses))) @ design.T
        step = np.linalg.solve(hessian + 1e-12 * np.eye(2), gradient)
        promise = float(gradient @ step)
        if promise < CONVERGED:
            break
        length = 1.0
        while (tried := loss_of(weights - length * step)) > loss - 1e-4 * length * promise:
            length /= 2
            if length < 1e-8:  # nothing but rounding is left
                return weights
        weights, loss = weights - length * step, tried
    return weights


def _sigmoid(logits: F64) -> F64:
    return np.asarray(0.5 + 0.5 * np.tanh(0.5 * logits))


def _logit(probability: float) -> float:
    return math.log(probability) - math.log1p(-probability)
