"""Cosines of labelled or matched pairs, to be fitted and scored on parts of them."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from twinlens.bundle.calibration import CalibrationLevel, Negatives
from twinlens.bundle.curves import CalibrationCurve
from twinlens.calibration.calibration_options import CalibrationOptions
from twinlens.calibration.cross_validation import F64, Bools, LabelledCosines, Places
from twinlens.calibration.fit_labelled import LABEL_FITS
from twinlens.calibration.fit_matched import fit_pairs
from twinlens.errors import CalibrationError

F32 = NDArray[np.float32]

NEAREST: Final = 5
"""Number of hard negatives of an image."""


class LabelledSample:
    """Pairs labelled matching or not."""

    level: CalibrationLevel = "fitted-labels"
    negatives: Negatives = "labelled"

    def __init__(
        self, cosines: F64, labels: Bools, images: Places, options: CalibrationOptions
    ) -> None:
        self._cosines, self._labels, self._options = cosines, labels, options
        self.images = images
        self.matching = int(labels.sum())
        self.others = len(labels) - self.matching
        # Clipped, so that labels of one class reach the fit, whose error names them.
        share = np.clip(labels.mean(), 1e-9, 1 - 1e-9)
        self.prior = float(share) if options.prior is None else options.prior

    def fit(self, chosen: Bools) -> CalibrationCurve:
        """Fit the curve of the chosen [P] pairs, by the method of the options."""
        fit = LABEL_FITS[self._options.method]
        return fit(self._cosines[chosen], self._labels[chosen], prior=self._options.prior)

    def score(self, chosen: Bools) -> LabelledCosines:
        """Return the cosines and labels of the chosen [P] pairs."""
        return LabelledCosines(cosines=self._cosines[chosen], labels=self._labels[chosen])


class MatchedSample:
    """Matching pairs: image i and text i match, image i and every other text do not."""

    level: CalibrationLevel = "fitted-pairs"

    def __init__(self, images: F32, texts: F32, options: CalibrationOptions) -> None:
        if options.method != "platt":
            raise CalibrationError(
                f"method {options.method!r} needs labels; give a column of them or use 'platt'"
            )
        n = len(images)
        self._cosines = (images @ texts.T).astype(np.float64)
        self._wrong = ~np.eye(n, dtype=bool)
        if options.negatives == "hard" and n > NEAREST:
            self._wrong = _nearest(texts)
        self.images = np.arange(n)
        self.negatives: Negatives = options.negatives
        self.prior = 0.5 if options.prior is None else options.prior
        self.matching, self.others = n, int(self._wrong.sum())

    def fit(self, chosen: Bools) -> CalibrationCurve:
        """Fit the line of the chosen [P] pairs, with the texts of each other as negatives."""
        square = np.ix_(chosen, chosen)
        wrong = self._wrong[square] if self.negatives == "hard" else None
        return fit_pairs(self._cosines[square], prior=self.prior, negatives=wrong)

    def score(self, chosen: Bools) -> LabelledCosines:
        """Return the cosines of the chosen [P] images with their own and with their wrong texts."""
        own = self._cosines.diagonal()[chosen]
        wrong = self._cosines[chosen][self._wrong[chosen]]
        labels = np.arange(len(own) + len(wrong)) < len(own)
        return LabelledCosines(cosines=np.concatenate([own, wrong]), labels=labels)


def _nearest(texts: F32) -> Bools:
    """Return a mask [N, N] of the NEAREST other texts of each of N texts."""
    cosines = texts @ texts.T
    np.fill_diagonal(cosines, -np.inf)
    found = np.zeros(cosines.shape, dtype=bool)
    places = np.argpartition(-cosines, NEAREST, axis=1)[:, :NEAREST]
    np.put_along_axis(found, places, values=True, axis=1)
    return found
