"""twinlens match: match probabilities of pairs."""

import argparse
import math

from twinlens.commands.printing.outcome import Outcome
from twinlens.commands.reading.inputs import open_model
from twinlens.commands.reading.pairs import read_column_pairs
from twinlens.datasets.pairs import NO_LABELS
from twinlens.images.image_like import ImageLike


def run(options: argparse.Namespace) -> Outcome:
    """Return every pair with its probability; a pair of an unreadable image has none.

    A row that is no pair is left out.
    """
    pairs, lost = read_column_pairs(options, options.pairs, label=NO_LABELS)
    model = open_model(options)
    probabilities = model.match(
        pairs.images, pairs.texts, prior=options.prior, on_error="nan"
    ).tolist()
    rows = [
        {
            "image": _name(image, number),
            "text": text,
            "probability": None if math.isnan(probability) else round(probability, 6),
        }
        for number, (image, text, probability) in enumerate(
            zip(pairs.images, pairs.texts, probabilities, strict=True)
        )
    ]
    readable = [row for row in rows if row["probability"] is not None]
    return Outcome(
        lines=[f"{row['probability']:.4f}  {row['image']}  {row['text']}" for row in readable],
        document=rows,
        code=0 if len(readable) == len(rows) and not lost else 1,
    )


def _name(image: ImageLike, number: int) -> str:
    """Return the path of an image, or "image 7" for encoded bytes."""
    return f"image {number}" if isinstance(image, bytes) else str(image)
