"""twinlens match: the probability that each pair of a table matches."""

import argparse
import csv
from pathlib import Path

from twinlens.commands.inputs import open_model
from twinlens.commands.outcome import Outcome


def run(options: argparse.Namespace) -> Outcome:
    """Print every pair with its probability."""
    columns = _columns(options.pairs, options.image_column, options.text_column)
    model = open_model(options)
    pictures = [str(options.pairs.parent / name) for name in columns[options.image_column]]
    texts = columns[options.text_column]
    probabilities = model.match(pictures, texts, prior=options.prior).tolist()
    rows = [
        {"image": image, "text": text, "probability": round(probability, 6)}
        for image, text, probability in zip(
            columns[options.image_column], texts, probabilities, strict=True
        )
    ]
    return Outcome(
        lines=[f"{row['probability']:.4f}  {row['image']}  {row['text']}" for row in rows],
        document=rows,
    )


def _columns(path: Path, *names: str) -> dict[str, list[str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        known = reader.fieldnames or []
        for name in names:
            if name not in known:
                raise ValueError(
                    f"{path} has no column {name!r}; its columns are {', '.join(known)}"
                )
        rows = list(reader)
    return {name: [row[name] for row in rows] for name in names}
