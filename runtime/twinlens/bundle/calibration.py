"""Calibration: from a cosine to the probability that the pair matches."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Real
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from twinlens.bundle.curves import CalibrationCurve
from twinlens.bundle.log_odds import logit, sigmoid
from twinlens.bundle.pixel_mode import PixelMode
from twinlens.errors import CalibrationError, quoted

F32 = NDArray[np.float32]

CalibrationLevel = Literal["native", "fitted-labels", "fitted-pairs", "assumed"]
"""Source of the probabilities, on which their trustworthiness depends:

* "native": the checkpoint's own scale and bias;
* "fitted-labels": a fit on pairs labelled matching or not;
* "fitted-pairs": a fit on matching pairs alone;
* "assumed": no fit, but the cosines of unrelated pairs that were published for models of its kind,
  or measured on the samples of the export. Used only where it is asked for by this name.

A bundle without any has level "none".
"""
PairKind = Literal["image-text", "image-image", "text-text"]
"""Modalities of a pair. Two images are far closer than an image and its text, and so are two texts:
each kind has a curve of its own."""
NegativeSampling = Literal["random", "hard"]
"""Negatives of an image: "random", all wrong texts; "hard", those nearest to its own text."""
Negatives = Literal["random", "hard", "labelled"]


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldOut:
    """Figures on held-out pairs, cross-fitted over images, at the base rate of the prior."""

    pairs: int
    base_rate: float
    """Share of these pairs that match."""
    ece: float
    """Expected calibration error, in 15 bins of equal mass."""
    brier: float
    log_loss: float
    auc: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """Threshold of a probability, and its precision and recall on held-out pairs."""

    probability: float
    precision: float
    """Share of the pairs above the threshold that match, at the calibration's prior."""
    recall: float
    """Share of the matching pairs above the threshold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """p = sigmoid(curve(cosine) + logit(prior') - logit(prior)).

    prior' is the share of matches in the data at hand; by default the fitted prior.
    """

    curve: CalibrationCurve
    prior: float
    """Share of matching pairs among all pairs for which the curve holds, in (0, 1)."""
    level: CalibrationLevel
    fitted_on: str
    """Description of the pairs."""
    matching: int
    """Number of matching pairs."""
    others: int
    """Number of pairs that do not match."""
    negatives: Negatives
    """Choice of the pairs that do not match: random ones are easy, and flatter the figures."""
    towers: str
    """Key of the towers it was fitted on: `Towers.calibrated_for`."""
    pixels: PixelMode = "exact"
    """Pixel mode of the images that it was fitted on."""
    pairs: PairKind = "image-text"
    """Kind of the pairs that it is for."""
    held_out: HeldOut | None = None
    thresholds: tuple[Threshold, ...] = ()
    """By ascending probability."""

    def __post_init__(self) -> None:
        check_prior(self.prior)
        for name, count in (("matching", self.matching), ("others", self.others)):
            if not 0 <= count < 2**63:
                raise ValueError(f"{name} is {quoted(count)}, not a number of pairs")

    def probability(self, cosines: F32, *, prior: float | None = None) -> F32:
        """Return the match probability of each cosine; NaN stays NaN.

        Args:
            cosines: any shape; the result has the same.
            prior: share of matching pairs expected in the data; the fitted one by default.

        Raises:
            ValueError: prior is not between 0 and 1.
        """
        logits = self.curve.logits(np.asarray(cosines, dtype=np.float64)) + self.shift(prior)
        return np.asarray(sigmoid(logits), dtype=np.float32)

    def require_pixels(self, pixels: PixelMode) -> None:
        """Check that a model has the pixel mode that the calibration was fitted on.

        Raises:
            CalibrationError: it has the other one, and the pairs have images.
        """
        if pixels != self.pixels and self.depends_on_pixels:
            raise CalibrationError(
                f"the calibration was fitted on {self.pixels} pixels, this model has {pixels} "
                f"ones; load it with pixels={self.pixels!r}, or calibrate the bundle again: "
                f"twinlens calibrate BUNDLE pairs.csv --pixels {pixels}"
            )

    @property
    def depends_on_pixels(self) -> bool:
        """True if it was fitted on images, whose pixel mode then matters."""
        return self.level != "assumed" and self.pairs != "text-text"

    def shift(self, prior: float | None) -> float:
        """Return the shift of the log-odds from the fitted prior to another one; 0 for None.

        Raises:
            ValueError: prior is not between 0 and 1.
        """
        if prior is None:
            return 0.0
        check_prior(prior)
        return float(logit(prior) - logit(self.prior))

    def threshold(self, *, precision: float | None = None, recall: float | None = None) -> float:
        """Return the threshold whose precision or recall on held-out pairs reaches the target.

        For a precision it is the lowest such threshold of the table, for a recall the highest.

        Raises:
            CalibrationError: no threshold of the table reaches the target, or there is no table.
            ValueError: not exactly one target is given, or it is not between 0 and 1.
        """
        if (precision is None) == (recall is None):
            raise ValueError("give one target: precision or recall")
        if precision is not None:
            return self._reaching("precision", precision, lambda t: t.precision, min)
        return self._reaching("recall", recall or 0, lambda t: t.recall, max)

    def _reaching(
        self,
        name: str,
        target: float,
        figure: Callable[[Threshold], float],
        choose: Callable[[list[float]], float],
    ) -> float:
        check_share(name, target)
        if not self.thresholds:
            raise CalibrationError(
                "this calibration has no table of thresholds; calibrate on pairs: "
                "twinlens calibrate BUNDLE pairs.csv"
            )
        good = [t.probability for t in self.thresholds if figure(t) >= target]
        if not good:
            best = max(map(figure, self.thresholds))
            raise CalibrationError(
                f"no threshold reached {name} {target} on held-out pairs; "
                f"the most was {math.floor(1e4 * best) / 1e4}"
            )
        return choose(good)


def check_prior(prior: float) -> None:
    """Check that a prior is a share of matches.

    Raises:
        TypeError: prior is no number.
        ValueError: prior is not between 0 and 1.
    """
    _require_number("prior", prior)
    if not 0 < prior < 1:
        raise ValueError(f"prior is {prior}, not between 0 and 1")


def check_share(name: str, share: float) -> None:
    """Check that a number is a share, 0 and 1 included.

    Raises:
        TypeError: it is no number.
        ValueError: it is not between 0 and 1.
    """
    _require_number(name, share)
    if not 0 <= share <= 1:
        raise ValueError(f"{name} is {share}, not between 0 and 1")


def _require_number(name: str, share: object) -> None:
    if isinstance(share, (bool, np.bool_)) or not isinstance(share, Real):
        raise TypeError(f"{name} is a {type(share).__name__}, wanted a number from 0 to 1")
