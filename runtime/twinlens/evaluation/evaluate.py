"""The evaluation of models on pairs of known truth, each beside the one in full precision."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from twinlens.bundle.calibration import Level, Negatives
from twinlens.bundle.specs import Precision
from twinlens.datasets.pairs import Pairs
from twinlens.evaluation.ground_truth import GroundTruth, ground_truth
from twinlens.evaluation.pair_scores import score
from twinlens.evaluation.predictions import Predictions, predict
from twinlens.metrics.bootstrap import Resamples
from twinlens.metrics.reliability import Reliability, measure_reliability
from twinlens.metrics.retrieval import Retrieval, measure_retrieval
from twinlens.metrics.thresholds import Decision, Thresholds
from twinlens.metrics.zero_shot import ZeroShot, measure_zero_shot
from twinlens.model.model import Model
from twinlens.model.zero_shot import TEMPLATES

REFERENCE: Final[Precision] = "fp32"


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What the pairs say of one model."""

    precision: Precision
    device: str
    image_to_text: Retrieval
    text_to_image: Retrieval
    zero_shot: ZeroShot | None
    """None if no image has a class."""
    level: Level | Literal["none"]
    """How its probabilities were obtained."""
    reliability: Mapping[Negatives, Reliability]
    """By where the pairs are from that do not match; empty if there is nothing to measure."""
    thresholds: Mapping[Negatives, tuple[Decision, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """What the same pairs say of several models."""

    images: int
    texts: int
    matching: int
    others: int
    """Pairs that are labelled not to match."""
    templates: tuple[str, ...]
    models: tuple[Findings, ...]


def evaluate(
    models: Model | Sequence[Model],
    pairs: Pairs,
    *,
    templates: Sequence[str] = TEMPLATES,
    seed: int = 0,
    progress: bool = False,
) -> Evaluation:
    """Measure models on pairs: retrieval, zero-shot classes, and the probabilities they give.

    Where all pairs match, probabilities are measured against as many wrong ones: random texts, and
    the nearest wrong texts. Where labels say which match, they are measured on just these pairs.

    Args:
        models: one, or several precisions of one; each is compared with the one in fp32.
        pairs: of known truth, and unknown to the models and to their calibrations.
        templates: for zero-shot classification, texts with one `{}` for the class.
        seed: of the wrong texts and of the intervals.
        progress: show a bar on stderr.

    Raises:
        ImageError: an image cannot be read.
        PairsError: no pair matches, or one image has two classes.
    """
    listed = [models] if isinstance(models, Model) else list(models)
    questions = ground_truth(pairs)
    answers = [predict(m, questions, templates=templates, progress=progress) for m in listed]
    reference = next((found for found in answers if found.precision == REFERENCE), None)
    matching = len(pairs) if pairs.labels is None else sum(map(bool, pairs.labels))
    return Evaluation(
        images=len(questions.images),
        texts=len(questions.texts),
        matching=matching,
        others=len(pairs) - matching,
        templates=tuple(templates),
        models=tuple(
            _find(questions, found, reference=None if found is reference else reference, seed=seed)
            for found in answers
        ),
    )


def _find(
    questions: GroundTruth, answers: Predictions, *, reference: Predictions | None, seed: int
) -> Findings:
    asking, own = questions.right
    # A text is drawn together with the image that it belongs to; of several, with the first.
    owners = asking[np.unique(own, return_index=True)[1]]
    scored = score(questions, answers, seed=seed)
    calibration = answers.calibration
    return Findings(
        precision=answers.precision,
        device=answers.device,
        image_to_text=measure_retrieval(
            answers.image_to_text,
            Resamples(np.unique(asking), seed=seed),
            before=None if reference is None else reference.image_to_text,
        ),
        text_to_image=measure_retrieval(
            answers.text_to_image,
            Resamples(owners, seed=seed),
            before=None if reference is None else reference.text_to_image,
        ),
        zero_shot=_classes(questions, answers, reference, seed),
        level="none" if calibration is None else calibration.level,
        reliability={kind: measure_reliability(pairs, seed=seed) for kind, pairs in scored.items()},
        thresholds={
            kind: Thresholds(pairs.probabilities, pairs.labels).table()
            for kind, pairs in scored.items()
        },
    )


def _classes(
    questions: GroundTruth, answers: Predictions, reference: Predictions | None, seed: int
) -> ZeroShot | None:
    if answers.classes is None:
        return None
    return measure_zero_shot(
        answers.classes,
        Resamples(questions.classed, seed=seed),
        labels=questions.kinds,
        before=None if reference is None else reference.classes,
    )
