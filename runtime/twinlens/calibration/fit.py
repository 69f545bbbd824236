"""Fit of a calibration to a model's cosines of given pairs."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, Literal, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from twinlens.bundle.calibration import Calibration, PairKind
from twinlens.bundle.specs import Modality
from twinlens.calibration.calibration_options import CalibrationOptions
from twinlens.calibration.cross_validation import PairSample, Places, with_held_out_figures
from twinlens.calibration.fit_labelled import require_both
from twinlens.calibration.fit_matched import require_enough
from twinlens.calibration.pair_samples import LabelledSample, MatchedSample
from twinlens.datasets.same_pairs import AnyPairs, ImagePairs, TextPairs
from twinlens.deduplication import distinct, first_equal_rows
from twinlens.model.model import Model
from twinlens.texts.tokenizer import OnCut

F32 = NDArray[np.float32]
SomePairs = TypeVar("SomePairs", bound=AnyPairs)

logger = logging.getLogger(__name__)

MAX_MATCHED_PAIRS: Final = 4000
"""Largest number of matched pairs; more are thinned at random: their cosines take 8 N^2 bytes."""


def fit_calibration(model: Model, pairs: AnyPairs, *, options: CalibrationOptions) -> Calibration:
    """Fit the calibration of a model on pairs, with figures on held-out images.

    Raises:
        CalibrationError: the method needs labels, but the pairs have none.
        ValueError: there are too few pairs, or matching ones are no closer than others.
    """
    return fit_embedded(model, embed_pairs(model, pairs), options=options)


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddedPairs(Generic[SomePairs]):
    """Pairs that can be read, with the embeddings of their two sides."""

    pairs: SomePairs
    left: F32
    """[M, D]"""
    right: F32
    """[M, D]"""
    lost: int
    """Number of images that cannot be read; their pairs are left out."""


def embed_pairs(
    model: Model,
    pairs: SomePairs,
    *,
    on_error: Literal["raise", "skip"] = "skip",
    on_cut: OnCut = "warn",
    progress: bool = False,
) -> EmbeddedPairs[SomePairs]:
    """Embed each distinct image and text of pairs once.

    Raises:
        ImageError: an image cannot be read, and on_error is "raise".
        ValueError: no pair can be read.
    """
    embed = _Embedding(model, on_error=on_error, on_cut=on_cut, progress=progress)
    left, right = _sides(pairs)
    rows = [
        embed.images(side.values) if side.modality == "image" else embed.texts(side.values)
        for side in (left, right)
    ]
    readable = np.flatnonzero(~np.isnan(rows[0][:, 0]) & ~np.isnan(rows[1][:, 0]))
    if not len(readable):
        raise ValueError(f"no image of {len(pairs)} can be read; give others")
    return EmbeddedPairs(
        pairs=cast("SomePairs", pairs.take(readable.tolist())),
        left=rows[0][readable],
        right=rows[1][readable],
        lost=embed.lost,
    )


def kind_of(pairs: AnyPairs) -> PairKind:
    """Return the kind of pairs."""
    left, right = _sides(pairs)
    kind: PairKind = "image-image" if right.modality == "image" else "text-text"
    return "image-text" if left.modality != right.modality else kind


@dataclass(frozen=True, slots=True, kw_only=True)
class _Side:
    """One column of pairs."""

    values: Sequence[Any]
    modality: Modality


def _sides(pairs: AnyPairs) -> tuple[_Side, _Side]:
    if isinstance(pairs, ImagePairs):
        return _Side(values=pairs.images, modality="image"), _Side(
            values=pairs.others, modality="image"
        )
    if isinstance(pairs, TextPairs):
        return _Side(values=pairs.texts, modality="text"), _Side(
            values=pairs.others, modality="text"
        )
    return _Side(values=pairs.images, modality="image"), _Side(values=pairs.texts, modality="text")


class _Embedding:
    """Embedding of columns by one model, and the count of images that were lost."""

    def __init__(
        self, model: Model, *, on_error: Literal["raise", "skip"], on_cut: OnCut, progress: bool
    ) -> None:
        self._model, self._on_cut, self._progress = model, on_cut, progress
        self._on_error: Literal["raise", "nan"] = "raise" if on_error == "raise" else "nan"
        self.lost = 0

    def images(self, values: Sequence[Any]) -> F32:
        """Return the rows [M, D]; those of lost images are NaN."""
        firsts, places = distinct(values)
        rows = self._model.embed_images(firsts, on_error=self._on_error, progress=self._progress)
        self.lost += int(np.isnan(rows[:, 0]).sum())
        return rows[places]

    def texts(self, values: Sequence[str]) -> F32:
        """Return the rows [M, D]."""
        firsts, places = distinct(values)
        rows = self._model.embed_texts(firsts, on_cut=self._on_cut, progress=self._progress)
        return rows[places]


def fit_embedded(
    model: Model, embedded: EmbeddedPairs[Any], *, options: CalibrationOptions
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
        pairs=kind_of(embedded.pairs),
    )
    return with_held_out_figures(whole, sample)


def _sample(embedded: EmbeddedPairs[Any], options: CalibrationOptions) -> PairSample:
    """Drop repeated pairs."""
    pairs, images, texts = embedded.pairs, embedded.left, embedded.right
    labels = None if pairs.labels is None else np.asarray(pairs.labels, dtype=bool)
    same_image, same_text = first_equal_rows(images), first_equal_rows(texts)
    if labels is not None:
        kept = _first_of_each(np.stack([same_image, same_text, labels], axis=1))
        _log_left_out(len(pairs), len(kept))
        matching = int(labels[kept].sum())
        require_both(matching, len(kept) - matching, given=len(pairs))
        cosines = np.einsum("md,md->m", images[kept], texts[kept]).astype(np.float64)
        return LabelledSample(cosines, labels[kept], same_image[kept], options)
    kept = _once_each(same_image, same_text)
    _log_left_out(len(pairs), len(kept))
    if len(kept) > MAX_MATCHED_PAIRS:
        kept = np.sort(np.random.default_rng(0).choice(kept, MAX_MATCHED_PAIRS, replace=False))
    sample = MatchedSample(images[kept], texts[kept], options)
    require_enough(len(kept), given=len(pairs))
    return sample


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
