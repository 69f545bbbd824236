"""twinlens match: match probabilities of pairs."""

import argparse

from twinlens.commands.inputs import open_model
from twinlens.commands.output import Outcome
from twinlens.datasets.pairs import Columns
from twinlens.datasets.read_pairs import read_pairs
from twinlens.images.image_like import ImageLike


def run(options: argparse.Namespace) -> Outcome:
    """Return every pair with its probability."""
    columns = Columns(image=options.image_column, text=options.text_column)
    pairs = read_pairs(options.pairs, columns=columns)
    model = open_model(options)
    probabilities = model.match(pairs.images, pairs.texts, prior=options.prior).tolist()
    rows = [
        {"image": _name(image, number), "text": text, "probability": round(probability, 6)}
        for number, (image, text, probability) in enumerate(
            zip(pairs.images, pairs.texts, probabilities, strict=True)
        )
    ]
    return Outcome(
        lines=[f"{row['probability']:.4f}  {row['image']}  {row['text']}" for row in rows],
        document=rows,
    )


def _name(image: ImageLike, number: int) -> str:
    """Return the path of an image, or "image 7" for encoded bytes."""
    return f"image {number}" if isinstance(image, bytes) else str(image)
