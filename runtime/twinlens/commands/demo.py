"""twinlens demo: the whole job on the model and the drawings inside the package."""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from twinlens.commands.contact_sheet import Row, Shot, draw_sheet
from twinlens.commands.inputs import check_out, open_model
from twinlens.commands.output import Outcome
from twinlens.demo.samples import CLASS_TEMPLATES, CLASSES, Drawing, bundled_drawings
from twinlens.images.load import IMAGE_SUFFIXES
from twinlens.index.index import Index
from twinlens.model import Model

F32 = NDArray[np.float32]

QUERIES: Final = (
    "a dog",
    "something to drink",
    "a sad face",
    "a vehicle with wheels",
    "red fruit",
    "a musical instrument",
    "winter weather",
    "a small insect",
)
"""Free words: none of them is the caption of a drawing."""
SHOWN: Final = 5
SEARCH_PRIOR: Final = 0.05
"""Among all drawings, about three in sixty fit a query."""


def run(options: argparse.Namespace) -> Outcome:
    """Embed, search both ways, match and classify the drawings, and draw the contact sheet."""
    check_out(options.out)
    if options.out.suffix.lower() not in IMAGE_SUFFIXES:
        raise ValueError(f"--out {options.out} is no name of a picture; let it end in .png")
    model = open_model(options)
    drawings = bundled_drawings()
    captions = [drawing.caption for drawing in drawings]
    begun = time.perf_counter()
    images = model.embed_images([d.path for d in drawings], progress=sys.stderr.isatty())
    middle = time.perf_counter()
    texts = model.embed_texts(captions)
    ended = time.perf_counter()

    found = Index.build(images).search(texts, SHOWN)
    named = Index.build(texts).search(images, SHOWN)
    own = np.arange(len(drawings))
    proba = model.probabilities(images, texts)
    right = proba.diagonal()
    wrong = proba[~np.eye(len(drawings), dtype=bool)]
    classed = [drawing for drawing in drawings if drawing.kind]
    guesses = model.classify([d.path for d in classed], CLASSES, templates=CLASS_TEMPLATES).best
    figures = {
        "drawings": len(drawings),
        "ms_per_image": round(1e3 * (middle - begun) / len(drawings), 2),
        "ms_per_text": round(1e3 * (ended - middle) / len(drawings), 2),
        "text_to_image_recall_at_1": round(float((found.ids[:, 0] == own).mean()), 4),
        "image_to_text_recall_at_1": round(float((named.ids[:, 0] == own).mean()), 4),
        "matching_pairs_said_to_match": round(float((right >= 0.5).mean()), 4),
        "other_pairs_said_to_match": round(float((wrong >= 0.5).mean()), 4),
        "five_classes_right": round(
            float(np.mean([g == d.kind for g, d in zip(guesses, classed, strict=True)])), 4
        ),
    }
    rows = _rows(model, drawings, images)
    draw_sheet(rows, title=repr(model)).save(options.out)
    document = figures | {
        "sheet": str(options.out),
        "queries": {row.query: [shot.caption for shot in row.shots] for row in rows},
    }
    return Outcome(lines=_lines(model, figures, rows, options.out), document=document)


def _rows(model: Model, drawings: Sequence[Drawing], images: F32) -> list[Row]:
    hits = Index.build(images).search(model.embed_texts(QUERIES), SHOWN)
    odds = hits.probabilities(model.calibration, prior=SEARCH_PRIOR)
    return [
        Row(
            query=query,
            shots=[
                Shot(path=drawings[i].path, caption=drawings[i].caption, probability=p)
                for i, p in zip(ids, row, strict=True)
            ],
        )
        for query, ids, row in zip(QUERIES, hits.ids.tolist(), odds.tolist(), strict=True)
    ]


def _lines(model: Model, figures: dict[str, float], rows: Sequence[Row], sheet: Path) -> list[str]:
    lines = [
        repr(model),
        f"{figures['drawings']:.0f} drawings by a hand the model never saw",
        f"{figures['ms_per_image']} ms a picture, {figures['ms_per_text']} ms a text",
        f"the caption finds its drawing first:   {figures['text_to_image_recall_at_1']:.0%}",
        f"the drawing finds its caption first:   {figures['image_to_text_recall_at_1']:.0%}",
        f"right pairs said to match (p >= 0.5):  {figures['matching_pairs_said_to_match']:.0%}",
        f"wrong pairs said to match (p >= 0.5):  {figures['other_pairs_said_to_match']:.1%}",
        f"face, animal, food, vehicle or flag:   {figures['five_classes_right']:.0%}",
        "",
    ]
    for row in rows:
        shots = ", ".join(f"{shot.caption} {shot.probability:.2f}" for shot in row.shots)
        lines.append(f"{row.query}: {shots}")
    return [*lines, "", f"contact sheet: {sheet}"]
