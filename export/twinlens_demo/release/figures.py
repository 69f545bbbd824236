"""The figures of the released bundle on one drawing set, measured through the runtime."""

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

import twinlens
from twinlens.commands import demo
from twinlens.demo.samples import CLASS_TEMPLATES, CLASSES
from twinlens_demo import metrics
from twinlens_demo.concepts import Concept
from twinlens_demo.drawings.drawing_set import DrawingSet, identical_drawings, read_drawing_set
from twinlens_demo.release.release import PRECISIONS

F32 = NDArray[np.float32]

QUERIES: Final = (
    *demo.QUERIES,
    "flying machine",
    "tool for cutting",
    "love",
    "time to sleep",
    "birthday party",
    "a person cooking",
)
"""Free words for the card; none is the name of a concept."""
TOP: Final = 5


def write_figures(
    bundle: Path, drawings: Path, concepts: Sequence[Concept], name: str, out: Path
) -> None:
    """Measure every precision on one drawing set and write JSON."""
    drawn = read_drawing_set(drawings, name)
    figures = {
        precision: figures_of(
            twinlens.load(bundle, device="cpu", precision=precision), drawn, concepts
        )
        for precision in PRECISIONS
    }
    out.write_text(json.dumps({"drawings": name, **figures}, indent=2) + "\n", encoding="utf-8")


def figures_of(
    model: twinlens.Model, drawn: DrawingSet, concepts: Sequence[Concept]
) -> dict[str, object]:
    """Measure recall in both directions, zero-shot accuracy and calibration error.

    Recall is over all, the trained and the held-out concepts. The text of a concept is its first
    name. The gallery always holds every concept; "among themselves" is the recall of the held-out
    concepts in a gallery of their own.
    """
    shown = [concepts[row] for row in drawn.rows]
    images = model.embed_images(drawn.images())
    texts = model.embed_texts([concept.names[0] for concept in shown])
    relevant = identical_drawings(drawn.pixels)
    scores = texts @ images.T
    held = np.array([concept.held_out for concept in shown])
    found: dict[str, object] = {"concepts": len(shown), "held_out": int(held.sum())}
    for name, kept in (("all", held | ~held), ("trained", ~held), ("held out", held)):
        found[f"text to image, {name}"] = _rounded(metrics.recall(scores[kept], relevant[kept]))
        found[f"image to text, {name}"] = _rounded(metrics.recall(scores.T[kept], relevant[kept]))
    own = np.ix_(held, held)
    found["text to image, held out among themselves"] = _rounded(
        metrics.recall(scores[own], relevant[own])
    )
    found["five classes"] = round(_zero_shot(model, images, shown, held | ~held), 1)
    found["five classes, held out"] = round(_zero_shot(model, images, shown, held), 1)
    told = model.calibration.probability(scores)
    for name, kept in (("", held | ~held), (", trained", ~held), (", held out", held)):
        error = metrics.pair_calibration_error(told[kept], relevant[kept])
        found[f"calibration error{name}"] = round(error, 4)
    found["queries"] = _hits(model, images, shown)
    return found


def _hits(model: twinlens.Model, images: F32, shown: Sequence[Concept]) -> dict[str, list[str]]:
    hits = twinlens.Index.build(images).search(model.embed_texts(QUERIES), TOP)
    return {
        query: [shown[row].names[0] + "*" * shown[row].held_out for row in rows]
        for query, rows in zip(QUERIES, hits.ids.tolist(), strict=True)
    }


def _zero_shot(
    model: twinlens.Model, images: F32, shown: Sequence[Concept], kept: NDArray[np.bool_]
) -> float:
    labels = model.embed_labels(CLASSES, templates=CLASS_TEMPLATES)
    chosen = [concept for concept, keep in zip(shown, kept, strict=True) if keep]
    return metrics.zero_shot(images[kept], chosen, labels)


def _rounded(recall: metrics.Recall) -> dict[str, float]:
    return {name: round(value, 1) for name, value in dataclasses.asdict(recall).items()}
