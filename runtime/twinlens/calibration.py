"""The calibration: from a cosine to the probability that the pair matches."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """p = sigmoid(scale * cosine + bias + logit(prior') - logit(prior)).

    prior' is the share of matches where it is used; it is the fitted prior unless it is moved.

    The sigmoid of Platt scaling (Platt 1999), on the cosine.
    """

    scale: float
    bias: float
    prior: float
    """Share of matching pairs among all pairs that the figures speak of, in (0, 1)."""
    method: Literal["fitted-pairs", "fitted-labels", "native"]
    fitted_on: str
    """What the pairs were, in words."""
    pairs: int
    """Number of matching pairs."""
    towers: str
    """Key of the towers it was fitted on: `Towers.calibrated_for`."""

    def __post_init__(self) -> None:
        if not 0 < self.prior < 1:
            raise ValueError(f"prior is {self.prior}, not between 0 and 1")
        if not 0 < self.scale < math.inf:
            raise ValueError(f"scale is {self.scale}; a higher cosine must mean a likelier match")
        if not math.isfinite(self.bias):
            raise ValueError(f"bias is {self.bias}, not a finite number")

    def probability(self, cosines: F32, *, prior: float | None = None) -> F32:
        """Match probability of each cosine; any shape, same shape out; NaN stays NaN.

        Args:
            cosines: any shape.
            prior: share of matching pairs expected where it is used; the fitted one by default.

        Raises:
            ValueError: prior is not between 0 and 1.
        """
        shift = 0.0
        if prior is not None:
            if not 0 < prior < 1:
                raise ValueError(f"prior is {prior}, not between 0 and 1")
            shift = _logit(prior) - _logit(self.prior)
        logits = self.scale * np.asarray(cosines, dtype=np.float64) + self.bias + shift
        # Of the smaller of the two classes: it neither overflows nor loses a tiny one's digits.
        odds = np.exp(-np.abs(logits))
        return np.asarray(np.where(logits < 0, odds, 1) / (1 + odds), dtype=np.float32)


def _logit(probability: float) -> float:
    return math.log(probability) - math.log1p(-probability)
