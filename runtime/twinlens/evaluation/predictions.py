"""Predictions of one model: embeddings, and the ranks of the relevant rows."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twinlens.bundle.calibration import Calibration, CalibrationLevel
from twinlens.bundle.specs import Precision
from twinlens.errors import CalibrationError
from twinlens.evaluation.ground_truth import GroundTruth
from twinlens.metrics.retrieval import Ints, Ranks, rank
from twinlens.model.model import Model
from twinlens.texts.tokenizer import OnCut

F32 = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Predictions:
    """Embeddings and rankings of one model on the ground truth."""

    precision: Precision
    device: str
    calibration: Calibration | None
    images: F32
    """[B, D], distinct images."""
    texts: F32
    """[N, D], distinct texts."""
    image_to_text: Ranks
    text_to_image: Ranks
    classes: Ranks | None
    """Rank of each classified image's own class among all; None if no image has a class."""


def predict(  # noqa: PLR0913  those of `evaluate`
    model: Model,
    truth: GroundTruth,
    images: F32,
    *,
    calibration: Calibration | None,
    templates: Sequence[str],
    on_cut: OnCut,
    progress: bool,
) -> Predictions:
    """Embed texts and classes once, and rank them with the embeddings [B, D] of the images."""
    texts = model.embed_texts(truth.texts, on_cut=on_cut, progress=progress)
    of_image, of_text = truth.relevant
    classes = None
    if truth.classes:
        labels = model.embed_labels(truth.classes, templates=templates, on_cut=on_cut)
        own_class = (np.arange(len(truth.class_of)), truth.class_of)
        classes = rank(images[truth.classified], labels, relevant=own_class)
    return Predictions(
        precision=model.precision,
        device=model.device,
        calibration=calibration,
        images=images,
        texts=texts,
        image_to_text=_rank_known(images, texts, of_image, of_text),
        text_to_image=_rank_known(texts, images, of_text, of_image),
        classes=classes,
    )


def calibration_of(model: Model, level: CalibrationLevel | None) -> Calibration | None:
    """Return the calibration of a model; None if it has none, and none is asked for.

    Raises:
        CalibrationError: the level that is asked for is not there.
    """
    if level is not None:
        return model.calibration_for(level=level)
    try:
        return model.calibration
    except CalibrationError:
        return None


def _rank_known(queries: F32, candidates: F32, of_query: Ints, rows: Ints) -> Ranks:
    """Rank the queries with a relevant row; the others cannot be judged."""
    known, positions = np.unique(of_query, return_inverse=True)
    return rank(queries[known], candidates, relevant=(positions, rows))
