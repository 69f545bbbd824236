"""Fitting: from a model's cosines of given pairs to a calibration."""

import logging
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from twinlens.bundle.calibration import Calibration, Drawn, Level, Negatives
from twinlens.bundle.curves import Curve
from twinlens.calibration.cross_validation import F64, Bools, Places, Sample, Scored, measured
from twinlens.calibration.fit_labelled import LABEL_FITS, Method
from twinlens.calibration.fit_matched import fit_pairs
from twinlens.datasets.pairs import Pairs
from twinlens.deduplication import distinct, first_equal_rows
from twinlens.errors import CalibrationError
from twinlens.model import Model

logger = logging.getLogger(__name__)

F32 = NDArray[np.float32]

NEAREST: Final = 5
"""How many wrong texts of an image are its hard negatives."""
MOST: Final = 4000
"""Matched pairs used at most: their matrix of cosines takes 8 N^2 bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationOptions:
    """How to fit a calibration."""

    prior: float | None = None
    """Share of matching pairs that the probabilities shall speak of; by default that of the labels,
    and a half without labels."""
    method: Method = "platt"
    """With labels also "beta", and "isotonic" from a thousand pairs on."""
    negatives: Drawn = "random"
    """Without labels: "random" for all other texts, which are easy to tell from the right one, or
    "hard" for those nearest to it. Nearest to the image would be chosen by what is fitted."""
    fitted_on: str = "pairs given to twinlens.calibrate"
    """What the pairs are, in words."""

    def __post_init__(self) -> None:
        if self.method not in LABEL_FITS:
            raise ValueError(f"method is {self.method!r}, not one of {', '.join(LABEL_FITS)}")
        if self.negatives not in ("random", "hard"):
            raise ValueError(f"negatives is {self.negatives!r}, not 'random' or 'hard'")


class LabelledSample:
    """Pairs labelled matching or not."""

    level: Level = "fitted-labels"
    negatives: Negatives = "labelled"

    def __init__(
        self, cosines: F64, labels: Bools, images: Places, recipe: CalibrationOptions
    ) -> None:
        self._cosines, self._labels, self._recipe = cosines, labels, recipe
        self.images = images
        self.matching = int(labels.sum())
        self.others = len(labels) - self.matching
        # The bounds keep a sample of one class going until the fit refuses it by name.
        share = np.clip(labels.mean(), 1e-9, 1 - 1e-9)
        self.prior = float(share) if recipe.prior is None else recipe.prior

    def fit(self, chosen: Bools) -> Curve:
        """The curve of the chosen pairs, by the recipe's method."""
        fit = LABEL_FITS[self._recipe.method]
        return fit(self._cosines[chosen], self._labels[chosen], prior=self._recipe.prior)

    def score(self, chosen: Bools) -> Scored:
        """The chosen pairs as they are."""
        return Scored(cosines=self._cosines[chosen], labels=self._labels[chosen])


class MatchedSample:
    """Matching pairs: image i and text i, and every image with the texts of the others."""

    level: Level = "fitted-pairs"

    def __init__(self, images: F32, texts: F32, recipe: CalibrationOptions) -> None:
        if recipe.method != "platt":
            raise CalibrationError(
                f"method {recipe.method!r} needs labels; give a column of them or use 'platt'"
            )
        n = len(images)
        self._cosines = (images @ texts.T).astype(np.float64)
        self._wrong = ~np.eye(n, dtype=bool)
        if recipe.negatives == "hard" and n > NEAREST:
            self._wrong = _nearest(texts)
        self.images = np.arange(n)
        self.negatives: Negatives = recipe.negatives
        self.prior = 0.5 if recipe.prior is None else recipe.prior
        self.matching, self.others = n, int(self._wrong.sum())

    def fit(self, chosen: Bools) -> Curve:
        """The line of the chosen pairs among themselves."""
        square = np.ix_(chosen, chosen)
        wrong = self._wrong[square] if self.negatives == "hard" else None
        return fit_pairs(self._cosines[square], prior=self.prior, negatives=wrong)

    def score(self, chosen: Bools) -> Scored:
        """The chosen images with their own and with their wrong texts."""
        own = self._cosines.diagonal()[chosen]
        wrong = self._cosines[chosen][self._wrong[chosen]]
        labels = np.arange(len(own) + len(wrong)) < len(own)
        return Scored(cosines=np.concatenate([own, wrong]), labels=labels)


def _nearest(texts: F32) -> Bools:
    """Of N texts, which [N, N] are the NEAREST to each."""
    cosines = texts @ texts.T
    np.fill_diagonal(cosines, -np.inf)
    found = np.zeros(cosines.shape, dtype=bool)
    places = np.argpartition(-cosines, NEAREST, axis=1)[:, :NEAREST]
    np.put_along_axis(found, places, values=True, axis=1)
    return found


def fit_calibration(model: Model, pairs: Pairs, *, recipe: CalibrationOptions) -> Calibration:
    """The calibration of a model on pairs, with its figures on held-out images.

    Raises:
        CalibrationError: the recipe needs labels that the pairs lack.
        ValueError: there are too few pairs, or matching ones are no closer than others.
    """
    sample = _sample(model, pairs, recipe)
    whole = Calibration(
        curve=sample.fit(np.ones(len(sample.images), dtype=bool)),
        prior=sample.prior,
        level=sample.level,
        fitted_on=recipe.fitted_on,
        matching=sample.matching,
        others=sample.others,
        negatives=sample.negatives,
        towers=model.towers_key,
        pixels=model.pixels,
    )
    return measured(whole, sample)


def _sample(model: Model, pairs: Pairs, recipe: CalibrationOptions) -> Sample:
    firsts, places = distinct(pairs.images)
    images = model.embed_images(firsts, on_error="nan")[places]
    words, places = distinct(pairs.texts)
    texts = model.embed_texts(words)[places]
    labels = None if pairs.labels is None else np.asarray(pairs.labels, dtype=bool)
    readable = ~np.isnan(images[:, 0])
    if not readable.any():
        raise ValueError(f"none of the {len(pairs)} pictures can be read; give others")
    images, texts = images[readable], texts[readable]
    same_image, same_text = first_equal_rows(images), first_equal_rows(texts)
    if labels is not None:
        labels = labels[readable]
        kept = _first_of_each(np.stack([same_image, same_text, labels], axis=1))
        _say_left_out(len(pairs), len(kept))
        cosines = np.einsum("md,md->m", images[kept], texts[kept]).astype(np.float64)
        return LabelledSample(cosines, labels[kept], same_image[kept], recipe)
    kept = _once_each(same_image, same_text)
    _say_left_out(len(pairs), len(kept))
    if len(kept) > MOST:
        kept = np.sort(np.random.default_rng(0).choice(kept, MOST, replace=False))
    return MatchedSample(images[kept], texts[kept], recipe)


def _first_of_each(rows: NDArray[np.intp]) -> Places:
    _, firsts = np.unique(rows, axis=0, return_index=True)
    return np.sort(firsts)


def _once_each(images: Places, texts: Places) -> Places:
    """The pairs whose image and whose text are in no pair kept before."""
    seen_images: set[int] = set()
    seen_texts: set[int] = set()
    kept = []
    for place, (image, text) in enumerate(zip(images.tolist(), texts.tolist(), strict=True)):
        if image not in seen_images and text not in seen_texts:
            seen_images.add(image)
            seen_texts.add(text)
            kept.append(place)
    return np.array(kept, dtype=np.intp)


def _say_left_out(given: int, kept: int) -> None:
    if kept < given:
        logger.info("%d of %d pairs are left out: repeated, or not readable", given - kept, given)
