"""Log-odds: the sigmoid and its inverse, stable at both ends."""

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]


def sigmoid(logits: F64) -> F64:
    """Return 1 / (1 + exp(-logits)) without overflow, and with all digits of tiny values."""
    odds = np.exp(-np.abs(logits))
    return np.asarray(np.where(logits < 0, odds, 1) / (1 + odds))


def logit(probabilities: F64 | float) -> F64:
    """Return the inverse of `sigmoid`, of probabilities in (0, 1)."""
    return np.asarray(np.log(probabilities) - np.log1p(-np.asarray(probabilities)))
