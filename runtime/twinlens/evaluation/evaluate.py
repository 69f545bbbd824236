"""Evaluation of models on labelled pairs, each compared with the one in full precision."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np

from twinlens.batch import Batch
from twinlens.bundle.calibration import CalibrationLevel, Negatives
from twinlens.bundle.specs import Precision
from twinlens.dataframes import Table
from twinlens.datasets.pairs import Pairs
from twinlens.datasets.read_pairs import as_pairs
from twinlens.embedding.embedded_blocks import LostImage
from twinlens.evaluation.ground_truth import GroundTruth, ground_truth
from twinlens.evaluation.image_rows import embed_all
from twinlens.evaluation.pair_scores import score_predictions
from twinlens.evaluation.predictions import Predictions, calibration_of, predict
from twinlens.metrics.bootstrap import Resamples
from twinlens.metrics.reliability import Reliability, measure_reliability
from twinlens.metrics.retrieval import Retrieval, measure_retrieval
from twinlens.metrics.thresholds import OperatingPoint, Thresholds
from twinlens.metrics.zero_shot import ZeroShot, measure_zero_shot
from twinlens.model.model import Model
from twinlens.model.zero_shot import TEMPLATES, as_templates
from twinlens.texts.tokenizer import OnCut

REFERENCE: Final[Precision] = "fp32"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelEvaluation:
    """Metrics of one model."""

    precision: Precision
    device: str
    image_to_text: Retrieval
    text_to_image: Retrieval
    zero_shot: ZeroShot | None
    """None if no image has a class."""
    level: CalibrationLevel | Literal["none"]
    """Level of its calibration."""
    reliability: Mapping[Negatives, Reliability]
    """Reliability by source of the non-matching pairs; empty without a calibration or negatives."""
    thresholds: Mapping[Negatives, tuple[OperatingPoint, ...]]
    groups: Mapping[str, Mapping[Negatives, Reliability]] = field(default_factory=dict)
    """Reliability of each group of the pairs, such as "unseen"; without those where all pairs
    match, or none does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """Metrics of several models on the same pairs."""

    images: int
    texts: int
    matching: int
    others: int
    """Pairs labelled not to match."""
    templates: tuple[str, ...]
    models: tuple[ModelEvaluation, ...]
    lost: tuple[LostImage, ...] = ()
    """Images that cannot be read: their pairs are left out, of every model alike."""


def evaluate(  # noqa: PLR0913  one choice each, none by place
    models: Model | Sequence[Model],
    pairs: Pairs | Table,
    *,
    templates: str | Batch[str] = TEMPLATES,
    prior: float | None = None,
    level: CalibrationLevel | None = None,
    seed: int = 0,
    on_error: Literal["raise", "skip"] = "raise",
    on_cut: OnCut = "warn",
    progress: bool = False,
) -> Evaluation:
    """Evaluate models on pairs: retrieval, zero-shot classification, and their probabilities.

    If all pairs match, probabilities are evaluated with as many negatives: random texts, and the
    nearest wrong texts. With labels, they are evaluated on the labelled pairs alone.

    Args:
        models: one, or several precisions of one; each is compared with the one in fp32.
        pairs: labelled pairs, unseen in training and calibration; or a DataFrame of them, as
            `read_pairs` reads it.
        templates: one text with one `{}` for the class, or several, for zero-shot classification.
        prior: share of matches that the probabilities of labelled pairs are told for; the
            calibration's own by default. Of drawn negatives the share is known.
        level: level of the probabilities, as of `Model.match`.
        seed: seed of the negatives and of the intervals.
        on_error: "raise" names the first image that cannot be read; "skip" leaves out its pairs,
            logs it and puts it into `Evaluation.lost`.
        on_cut: as for `Model.embed_texts`.
        progress: show a bar on stderr.

    Raises:
        CalibrationError: a model has no calibration of the level asked for.
        ImageError: an image cannot be read.
        PairsError: no pair matches, or one image has two classes.
        TypeError: something else is in the place of a model.
        ValueError: on_error is neither of the two.
    """
    if on_error not in ("raise", "skip"):
        raise ValueError(f"on_error is {on_error!r}, not 'raise' or 'skip'")
    listed = list(models) if isinstance(models, Sequence) else [models]
    for model in listed:
        if not isinstance(model, Model):
            raise TypeError(
                f"a {type(model).__name__} is no model; open one by twinlens.load, and give the "
                "pairs after it"
            )
        model.require("image", "text")
    forms = as_templates(templates)
    pairs = as_pairs(pairs)
    truth = ground_truth(pairs)
    calibrations = [calibration_of(model, level) for model in listed]
    embedded = embed_all(listed, truth.images, on_error=on_error, progress=progress)
    if embedded.lost:
        pairs = embedded.readable(pairs, truth)
        truth = ground_truth(pairs)
    predictions = [
        predict(
            model,
            truth,
            images,
            calibration=calibration,
            templates=forms,
            on_cut=on_cut,
            progress=progress,
        )
        for model, images, calibration in zip(listed, embedded.rows, calibrations, strict=True)
    ]
    reference = next((found for found in predictions if found.precision == REFERENCE), None)
    matching = len(pairs) if pairs.labels is None else sum(map(bool, pairs.labels))
    return Evaluation(
        images=len(truth.images),
        texts=len(truth.texts),
        matching=matching,
        others=len(pairs) - matching,
        templates=tuple(forms),
        models=tuple(
            _measure(
                truth,
                found,
                reference=None if found is reference else reference,
                prior=prior,
                seed=seed,
            )
            for found in predictions
        ),
        lost=embedded.lost,
    )


def _measure(
    truth: GroundTruth,
    predictions: Predictions,
    *,
    reference: Predictions | None,
    prior: float | None,
    seed: int,
) -> ModelEvaluation:
    of_image, of_text = truth.relevant
    # A text is resampled together with its image; with several images, with the first.
    owners = of_image[np.unique(of_text, return_index=True)[1]]
    scored = score_predictions(truth, predictions, prior=prior, seed=seed)
    calibration = predictions.calibration
    return ModelEvaluation(
        precision=predictions.precision,
        device=predictions.device,
        image_to_text=measure_retrieval(
            predictions.image_to_text,
            Resamples(np.unique(of_image), seed=seed),
            before=None if reference is None else reference.image_to_text,
        ),
        text_to_image=measure_retrieval(
            predictions.text_to_image,
            Resamples(owners, seed=seed),
            before=None if reference is None else reference.text_to_image,
        ),
        zero_shot=_measure_classes(truth, predictions, reference, seed),
        level="none" if calibration is None else calibration.level,
        reliability={kind: measure_reliability(pairs, seed=seed) for kind, pairs in scored.items()},
        thresholds={
            kind: Thresholds(pairs.probabilities, pairs.labels).table()
            for kind, pairs in scored.items()
        },
        groups={
            name: {
                kind: measure_reliability(of_group, seed=seed)
                for kind, pairs in scored.items()
                if (of_group := pairs.of(images)) is not None
            }
            for name, images in truth.groups.items()
        },
    )


def _measure_classes(
    truth: GroundTruth, predictions: Predictions, reference: Predictions | None, seed: int
) -> ZeroShot | None:
    if predictions.classes is None:
        return None
    return measure_zero_shot(
        predictions.classes,
        Resamples(truth.classified, seed=seed),
        labels=truth.classes,
        before=None if reference is None else reference.classes,
    )
