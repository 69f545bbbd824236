"""From a cosine to the probability of a match: the curve, its fit and its figures."""

from twinlens.calibration.calibration import (
    Calibration,
    Drawn,
    HeldOut,
    Level,
    Negatives,
    Threshold,
    check_prior,
)

__all__ = ["Calibration", "Drawn", "HeldOut", "Level", "Negatives", "Threshold", "check_prior"]
