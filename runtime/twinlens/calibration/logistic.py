"""Logistic regression by damped Newton steps."""

from typing import Final

import numpy as np

from twinlens.bundle.log_odds import F64, sigmoid

STEPS: Final = 100
CONVERGED: Final = 1e-14
"""Twice the predicted fall of the loss (about 1) at which Newton's method ends."""


def fit_logistic(design: F64, targets: F64, shares: F64, start: F64) -> F64:
    """Fit the weights [P] of least log-loss of sigmoid(weights @ design).

    Args:
        design: [P, M], one row a feature; features of spread about 1 converge best.
        targets: [M], in [0, 1].
        shares: [M], weight of each case, summing to 1.
        start: [P], initial weights.
    """

    def loss_of(weights: F64) -> float:
        logits = weights @ design
        return float(shares @ (np.logaddexp(0, logits) - targets * logits))

    weights, loss = start, loss_of(start)
    for _ in range(STEPS):
        guesses = sigmoid(weights @ design)
        gradient = design @ (shares * (guesses - targets))
        hessian = (design * (shares * guesses * (1 - guesses))) @ design.T
        step = np.linalg.solve(hessian + 1e-12 * np.eye(len(weights)), gradient)
        promise = float(gradient @ step)
        if promise < CONVERGED:
            break
        length = 1.0
        while (tried := loss_of(weights - length * step)) > loss - 1e-4 * length * promise:
            length /= 2
            if length < 1e-8:  # only rounding errors are left
                return weights
        weights, loss = weights - length * step, tried
    return weights
