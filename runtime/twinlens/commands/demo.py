"""twinlens demo: embed, search, match and classify on the model and drawings inside the package."""

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from twinlens.commands.parsing.misuse import MisuseError
from twinlens.commands.printing.outcome import Outcome
from twinlens.commands.reading.inputs import open_model
from twinlens.commands.writing.contact_sheet import Card, QueryRow, draw_sheet
from twinlens.commands.writing.targets import require_file
from twinlens.demo.samples import CLASS_TEMPLATES, CLASSES, Drawing, bundled_drawings
from twinlens.durable.whole import whole_file
from twinlens.index.index import Index
from twinlens.model.model import Model

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
"""Free queries; none is the caption of a drawing."""
SHEET: Final = Path("twinlens-demo.png")
HITS: Final = 5
SEARCH_PRIOR: Final = 0.05
"""Share of matching drawings: about three of sixty fit a query."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TimedEmbeddings:
    """Embeddings of the drawings and of their captions, with the time they took."""

    images: F32
    texts: F32
    image_s: float
    text_s: float


def run(options: argparse.Namespace) -> Outcome:
    """Embed, search both ways, match and classify the drawings, and draw the contact sheet."""
    # A sheet under its default name is one of an earlier demo.
    out = options.out or SHEET
    require_file(out, force=options.force or options.out is None)
    image_format = _format_of(out)
    model = open_model(options)
    drawings = bundled_drawings()
    embedded = _embed(model, drawings, bar=options.progress.bar)
    figures = _figures(model, drawings, embedded)
    rows = _search(model, drawings, embedded.images)
    with whole_file(out) as file:
        draw_sheet(rows, title=repr(model)).save(file, format=image_format)
    document = figures | {
        "sheet": str(out),
        "queries": {row.query: [card.caption for card in row.cards] for row in rows},
    }
    return Outcome(lines=_lines(model, figures, rows, out), document=document)


def _format_of(out: Path) -> str:
    """Return the image format that a file's suffix names.

    Raises:
        MisuseError: it names none that can be written.
    """
    found = Image.registered_extensions().get(out.suffix.lower())
    if found not in Image.SAVE:
        raise MisuseError(f"--out {out} is no name of an image; let it end in .png")
    return found


def _embed(model: Model, drawings: Sequence[Drawing], *, bar: bool) -> TimedEmbeddings:
    start = time.perf_counter()
    images = model.embed_images([d.path for d in drawings], progress=bar)
    middle = time.perf_counter()
    texts = model.embed_texts([d.caption for d in drawings])
    end = time.perf_counter()
    return TimedEmbeddings(images=images, texts=texts, image_s=middle - start, text_s=end - middle)


def _figures(
    model: Model, drawings: Sequence[Drawing], embedded: TimedEmbeddings
) -> dict[str, float]:
    """Return speed, recall, match and zero-shot figures of the drawings and their captions."""
    n = len(drawings)
    found = Index.build(embedded.images).search(embedded.texts, HITS)
    captions = Index.build(embedded.texts).search(embedded.images, HITS)
    own = np.arange(n)
    probabilities = model.probabilities(embedded.images, embedded.texts)
    right = probabilities.diagonal()
    wrong = probabilities[~np.eye(n, dtype=bool)]
    classed = [drawing for drawing in drawings if drawing.kind]
    guesses = model.classify([d.path for d in classed], CLASSES, templates=CLASS_TEMPLATES).best
    return {
        "drawings": n,
        "ms_per_image": round(1e3 * embedded.image_s / n, 2),
        "ms_per_text": round(1e3 * embedded.text_s / n, 2),
        "text_to_image_recall_at_1": round(float((found.ids[:, 0] == own).mean()), 4),
        "image_to_text_recall_at_1": round(float((captions.ids[:, 0] == own).mean()), 4),
        "matching_pairs_said_to_match": round(float((right >= 0.5).mean()), 4),
        "other_pairs_said_to_match": round(float((wrong >= 0.5).mean()), 4),
        "five_classes_right": round(
            float(np.mean([g == d.kind for g, d in zip(guesses, classed, strict=True)])), 4
        ),
    }


def _search(model: Model, drawings: Sequence[Drawing], images: F32) -> list[QueryRow]:
    hits = Index.build(images).search(model.embed_texts(QUERIES), HITS)
    probabilities = hits.probabilities(model.calibration, prior=SEARCH_PRIOR)
    return [
        QueryRow(
            query=query,
            cards=[
                Card(path=drawings[i].path, caption=drawings[i].caption, probability=p)
                for i, p in zip(ids, row, strict=True)
            ],
        )
        for query, ids, row in zip(QUERIES, hits.ids.tolist(), probabilities.tolist(), strict=True)
    ]


def _lines(
    model: Model, figures: dict[str, float], rows: Sequence[QueryRow], sheet: Path
) -> list[str]:
    lines = [
        repr(model),
        f"{figures['drawings']:.0f} drawings by an artist outside the training data",
        f"{figures['ms_per_image']} ms an image, {figures['ms_per_text']} ms a text",
        f"the caption finds its drawing first:   {figures['text_to_image_recall_at_1']:.0%}",
        f"the drawing finds its caption first:   {figures['image_to_text_recall_at_1']:.0%}",
        f"right pairs said to match (p >= 0.5):  {figures['matching_pairs_said_to_match']:.0%}",
        f"wrong pairs said to match (p >= 0.5):  {figures['other_pairs_said_to_match']:.1%}",
        f"face, animal, food, vehicle or flag:   {figures['five_classes_right']:.0%}",
        "",
    ]
    for row in rows:
        hits = ", ".join(f"{card.caption} {card.probability:.2f}" for card in row.cards)
        lines.append(f"{row.query}: {hits}")
    return [*lines, "", f"contact sheet: {sheet}"]
