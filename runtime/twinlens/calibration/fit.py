"""Fit of a calibration to a model's cosines of given pairs."""

import logging
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from twinlens.bundle.calibration import Calibration
from twinlens.calibration.calibration_options import CalibrationOptions
from twinlens.calibration.cross_validation import PairSample, Places, with_held_out_figures
from twinlens.calibration.pair_samples import LabelledSample, MatchedSample
from twinlens.datasets.pairs import Pairs
from twinlens.deduplication import distinct, first_equal_rows
from twinlens.model.model import Model

F32 = NDArray[np.float32]

logger = logging.getLogger(__name__)

MAX_MATCHED_PAIRS: Final = 4000
"""Largest number of matched pairs; more are thinned at random: their cosines take 8 N^2 bytes."""


def fit_calibration(model: Model, pairs: Pairs, *, options: CalibrationOptions) -> Calibration:
    """Fit the calibration of a model on pairs, with figures on held-out images.

    Raises:
        CalibrationError: the method needs labels, but the pairs have none.
        ValueError: there are too few pairs, or matching ones are no closer than others.
    """
    return fit_embedded(model, embed_pairs(model, pairs), options=options)


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddedPairs:
    """Pairs whose image can be read, with their embeddings."""

    pairs: Pairs
    images: F32
    """[M, D]"""
    texts: F32
    """[M, D]"""
    lost: int
    """Number of images that cannot be read; their pairs are left out."""


def embed_pairs(model: Model, pairs: Pairs) -> EmbeddedPairs:
    """Embed each distinct image and text of pairs once.

    Raises:
        ValueError: no image can be read.
    """
    firsts, places = distinct(pairs.images)
    rows = model.embed_images(firsts, on_error="nan")
    images = rows[places]
    readable = np.flatnonzero(~np.isnan(images[:, 0]))
    if not len(readable):
        raise ValueError(f"none of the {len(pairs)} images can be read; give others")
    kept = pairs.take(readable.tolist())
    first_texts, places = distinct(kept.texts)
    return EmbeddedPairs(
        pairs=kept,
        images=images[readable],
        texts=model.embed_texts(first_texts)[places],
        lost=int(np.isnan(rows[:, 0]).sum()),
    )


def fit_embedded(
    model: Model, embedded: EmbeddedPairs, *, options: CalibrationOptions
) -> Calibration:
    """Fit the calibration of the model that embedded the pairs.

    Raises:
        CalibrationError: the method needs labels, but the pairs have none.
        ValueError: there are too few pairs, or matching ones are no closer than others.
    """
    sample = _sample(embedded, options)
    whole = Calibration(
        curve=sample.fit(np.ones(len(sample.images), dtype=bool)),
        prior=sample.prior,
        level=sample.level,
        fitted_on=options.fitted_on,
        matching=sample.matching,
        others=sample.others,
        negatives=sample.negatives,
        towers=model.towers_key,
        pixels=model.pixels,
    )
    return with_held_out_figures(whole, sample)


def _sample(embedded: EmbeddedPairs, options: CalibrationOptions) -> PairSample:
    """Drop repeated pairs."""
    pairs, images, texts = embedded.pairs, embedded.images, embedded.texts
    labels = None if pairs.labels is None else np.asarray(pairs.labels, dtype=bool)
    same_image, same_text = first_equal_rows(images), first_equal_rows(texts)
    if labels is not None:
        kept = _first_of_each(np.stack([same_image, same_text, labels], axis=1))
        _log_left_out(len(pairs), len(kept))
        cosines = np.einsum("md,md->m", images[kept], texts[kept]).astype(np.float64)
        return LabelledSample(cosines, labels[kept], same_image[kept], options)
    kept = _once_each(same_image, same_text)
    _log_left_out(len(pairs), len(kept))
    if len(kept) > MAX_MATCHED_PAIRS:
        kept = np.sort(np.random.default_rng(0).choice(kept, MAX_MATCHED_PAIRS, replace=False))
    return MatchedSample(images[kept], texts[kept], options)


def _first_of_each(rows: NDArray[np.intp]) -> Places:
    _, firsts = np.unique(rows, axis=0, return_index=True)
    return np.sort(firsts)


def _once_each(images: Places, texts: Places) -> Places:
    """Return the pairs whose image and text both are in no pair kept before."""
    seen_images: set[int] = set()
    seen_texts: set[int] = set()
    kept = []
    for place, (image, text) in enumerate(zip(images.tolist(), texts.tolist(), strict=True)):
        if image not in seen_images and text not in seen_texts:
            seen_images.add(image)
            seen_texts.add(text)
            kept.append(place)
    return np.array(kept, dtype=np.intp)


def _log_left_out(given: int, kept: int) -> None:
    if kept < given:
        logger.info("%d of %d pairs are left out, as they repeat others", given - kept, given)
