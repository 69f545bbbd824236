"""The curves that turn a cosine into the log-odds of a match; none ever falls."""

import math
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from twinlens.bundle.log_odds import logit

F64 = NDArray[np.float64]

EDGE: Final = 2.0**-24
"""Cosines are kept that far inside (-1, 1), half of float32's step at 1: log 0 is no odds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """scale * cosine + bias, the line of Platt scaling (Platt 1999)."""

    kind: Literal["platt"] = "platt"
    scale: float
    bias: float

    def __post_init__(self) -> None:
        if not 0 < self.scale < math.inf:
            raise ValueError(f"scale is {self.scale}; a higher cosine must mean a likelier match")
        if not math.isfinite(self.bias):
            raise ValueError(f"bias is {self.bias}, not a finite number")

    def __str__(self) -> str:
        return f"sigmoid({self.scale:.2f} cos {self.bias:+.2f})"

    def logits(self, cosines: F64) -> F64:
        """Log-odds of each cosine; any shape, same shape out."""
        return self.scale * cosines + self.bias


@dataclass(frozen=True, slots=True, kw_only=True)
class Beta:
    """rising * ln s - falling * ln(1 - s) + bias, with s = (1 + cosine) / 2.

    Beta calibration (Kull et al. 2017): unlike a line it may bend, and it has three numbers.
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

    def __str__(self) -> str:
        return f"beta({self.rising:.2f}, {self.falling:.2f}, {self.bias:+.2f})"

    def logits(self, cosines: F64) -> F64:
        """Log-odds of each cosine; any shape, same shape out."""
        rising, falling = beta_features(cosines)
        return self.rising * rising + self.falling * falling + self.bias


@dataclass(frozen=True, slots=True, kw_only=True)
class Stairs:
    """Probabilities at some cosines, straight lines between them, and flat beyond.

    Isotonic regression (Zadrozny and Elkan 2002). On a flat step the order of cosines is lost.
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
        """Log-odds of each cosine; any shape, same shape out."""
        return logit(np.interp(cosines, self.cosines, self.probabilities))


Curve: TypeAlias = Line | Beta | Stairs


def beta_features(cosines: F64) -> tuple[F64, F64]:
    """The features ln s and -ln(1 - s) of s = (1 + cosine) / 2: what a `Beta` weighs."""
    inside = np.clip(cosines, -1 + EDGE, 1 - EDGE)
    return np.log1p(inside) - math.log(2), math.log(2) - np.log1p(-inside)
