"""Calibration curves: monotone maps from a cosine to the log-odds of a match."""

import math
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from twinlens.bundle.log_odds import logit

F64 = NDArray[np.float64]

EDGE: Final = 2.0**-24
"""Cosines are clipped to this distance from -1 and 1, half of float32's step at 1: no log of 0."""

LARGEST_LOGIT: Final = 1e30
"""Largest log-odds of a curve, far from what float32 holds (3e38), so that no product of a curve
and a cosine overflows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlattCurve:
    """Platt scaling (Platt 1999): scale * cosine + bias."""

    kind: Literal["platt"] = "platt"
    scale: float
    bias: float

    def __post_init__(self) -> None:
        if not 0 < self.scale < math.inf:
            raise ValueError(f"scale is {self.scale}; a higher cosine must mean a likelier match")
        if not math.isfinite(self.bias):
            raise ValueError(f"bias is {self.bias}, not a finite number")
        if not self.scale + abs(self.bias) <= LARGEST_LOGIT:
            raise ValueError(
                f"scale and bias are {self.scale} and {self.bias}, wanted at most "
                f"{LARGEST_LOGIT:g} together"
            )

    def __str__(self) -> str:
        return f"sigmoid({self.scale:.2f} cos {self.bias:+.2f})"

    def logits(self, cosines: F64) -> F64:
        """Return the log-odds of each cosine; any shape, same shape out."""
        return self.scale * cosines + self.bias


@dataclass(frozen=True, slots=True, kw_only=True)
class BetaCurve:
    """Beta calibration (Kull et al. 2017): rising * ln s - falling * ln(1 - s) + bias.

    s = (1 + cosine) / 2. Unlike a line it may bend; it has three parameters.
    """

    kind: Literal["beta"] = "beta"
    rising: float
    falling: float
    bias: float

    def __post_init__(self) -> None:
        if not (self.rising >= 0 and self.falling >= 0 and self.rising + self.falling > 0):
            raise ValueError(
                f"rising and falling are {self.rising} and {self.falling}; "
                "a higher cosine must mean a likelier match"
            )
        if not math.isfinite(self.rising + self.falling + self.bias):
            raise ValueError(f"bias is {self.bias}, not a finite number")
        if not max(self.rising, self.falling, abs(self.bias)) <= LARGEST_LOGIT:
            raise ValueError(
                f"rising, falling and bias are {self.rising}, {self.falling} and {self.bias}, "
                f"wanted at most {LARGEST_LOGIT:g} each"
            )

    def __str__(self) -> str:
        return f"beta({self.rising:.2f}, {self.falling:.2f}, {self.bias:+.2f})"

    def logits(self, cosines: F64) -> F64:
        """Return the log-odds of each cosine; any shape, same shape out."""
        rising, falling = beta_features(cosines)
        return self.rising * rising + self.falling * falling + self.bias


@dataclass(frozen=True, slots=True, kw_only=True)
class IsotonicCurve:
    """Isotonic regression (Zadrozny and Elkan 2002): knots, linear between them, constant beyond.

    On a flat step the order of cosines is lost.
    """

    kind: Literal["isotonic"] = "isotonic"
    cosines: tuple[float, ...]
    """Ascending."""
    probabilities: tuple[float, ...]
    """Never falling, in (0, 1)."""

    def __post_init__(self) -> None:
        cosines, probabilities = np.asarray(self.cosines), np.asarray(self.probabilities)
        if len(cosines) != len(probabilities) or not len(cosines):
            raise ValueError(f"{len(cosines)} cosines and {len(probabilities)} probabilities")
        if not (np.diff(cosines) > 0).all() or not (np.diff(probabilities) >= 0).all():
            raise ValueError("the steps do not rise; a higher cosine must mean a likelier match")
        if not (probabilities[0] > 0 and probabilities[-1] < 1):
            raise ValueError("a probability is not between 0 and 1")

    def __str__(self) -> str:
        return f"isotonic with {len(self.cosines)} knots"

    def logits(self, cosines: F64) -> F64:
        """Return the log-odds of each cosine; any shape, same shape out."""
        return logit(np.interp(cosines, self.cosines, self.probabilities))


CalibrationCurve: TypeAlias = PlattCurve | BetaCurve | IsotonicCurve


def beta_features(cosines: F64) -> tuple[F64, F64]:
    """Return ln s and -ln(1 - s) of s = (1 + cosine) / 2, the features that `BetaCurve` weights."""
    inside = np.clip(cosines, -1 + EDGE, 1 - EDGE)
    return np.log1p(inside) - math.log(2), math.log(2) - np.log1p(-inside)
