"""twinlens match: the probability that each pair of a table matches."""

import argparse
import csv
import io
from pathlib import Path

from twinlens.commands.inputs import open_model, read_text
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
    reader = csv.DictReader(io.StringIO(read_text(path), newline=""), strict=True)
    try:
        known = list(reader.fieldnames or [])
        for name in names:
            if known.count(name) != 1:
                number = "more than one" if name in known else "no"
                raise ValueError(
                    f"{path} has {number} column {name!r}; its columns are {', '.join(known)}"
                )
        columns: dict[str, list[str]] = {name: [] for name in names}
        for row in reader:
            if None in row or None in row.values():
                raise ValueError(
                    f"{path} line {reader.line_num} has not {len(known)} cells; "
                    "quote a cell that holds a comma"
                )
            for name in names:
                columns[name].append(row[name])
    except csv.Error as error:
        raise ValueError(f"{path} line {reader.line_num} is not CSV: {error}") from error
    return columns
