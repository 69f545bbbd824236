"""The answers of one model: embeddings, and where the right ones rank."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twinlens.bundle.calibration import Calibration
from twinlens.bundle.specs import Precision
from twinlens.errors import CalibrationError
from twinlens.evaluation.ground_truth import GroundTruth
from twinlens.metrics.retrieval import Ints, Ranks, rank
from twinlens.model.model import Model

F32 = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Predictions:
    """What one model makes of the questions."""

    precision: Precision
    device: str
    calibration: Calibration | None
    images: F32
    """[B, D], of the distinct images."""
    texts: F32
    """[N, D], of the distinct texts."""
    image_to_text: Ranks
    text_to_image: Ranks
    classes: Ranks | None
    """Of the images that have a class, among all classes; None if no image has one."""


def predict(
    model: Model, questions: GroundTruth, *, templates: Sequence[str], progress: bool
) -> Predictions:
    """Embed everything once, and rank."""
    images = model.embed_images(questions.images, progress=progress)
    texts = model.embed_texts(questions.texts, progress=progress)
    asking, own = questions.right
    classes = None
    if questions.kinds:
        labels = model.embed_labels(questions.kinds, templates=templates)
        own_kind = (np.arange(len(questions.own)), questions.own)
        classes = rank(images[questions.classed], labels, right=own_kind)
    return Predictions(
        precision=model.precision,
        device=model.device,
        calibration=_calibration(model),
        images=images,
        texts=texts,
        image_to_text=_rank_known(images, texts, asking, own),
        text_to_image=_rank_known(texts, images, own, asking),
        classes=classes,
    )


def _calibration(model: Model) -> Calibration | None:
    try:
        return model.calibration
    except CalibrationError:
        return None


def _rank_known(queries: F32, candidates: F32, asking: Ints, own: Ints) -> Ranks:
    """Ranks of the queries that have a right answer; the others cannot be judged."""
    known, places = np.unique(asking, return_inverse=True)
    return rank(queries[known], candidates, right=(places, own))
