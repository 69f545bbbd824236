"""Options of a calibration fit."""

from dataclasses import dataclass

from twinlens.bundle.calibration import NegativeSampling
from twinlens.calibration.fit_labelled import LABEL_FITS, CalibrationMethod


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationOptions:
    """Options of a calibration fit.

    Raises ValueError if the method or the negatives are unknown.

    >>> options = CalibrationOptions(prior=0.1, negatives="hard", fitted_on="product photos")
    """

    prior: float | None = None
    """Share of matching pairs among the pairs of the application, in (0, 1); by default the share
    among the labels, and 0.5 without labels."""
    method: CalibrationMethod = "platt"
    """Without labels only "platt"; with labels also "beta", and "isotonic" from 1,000 pairs on."""
    negatives: NegativeSampling = "random"
    """Without labels: "random" for all other texts of an image, which are easy to tell from its
    own, or "hard" for those nearest to its own text. Texts nearest to the image would be selected
    by the cosine that is calibrated."""
    fitted_on: str = "pairs given to twinlens.calibrate"
    """Description of the pairs, stored in the manifest."""

    def __post_init__(self) -> None:
        if self.method not in LABEL_FITS:
            raise ValueError(f"method is {self.method!r}, not one of {', '.join(LABEL_FITS)}")
        if self.negatives not in ("random", "hard"):
            raise ValueError(f"negatives is {self.negatives!r}, not 'random' or 'hard'")
