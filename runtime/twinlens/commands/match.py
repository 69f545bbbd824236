"""twinlens match: match probabilities of pairs."""

import argparse
import math
from collections.abc import Sequence
from dataclasses import dataclass

from twinlens.calibration.fit import kind_of
from twinlens.commands.printing.outcome import Outcome
from twinlens.commands.reading.inputs import open_model
from twinlens.commands.reading.pairs import read_column_pairs, read_same_pairs
from twinlens.datasets.pairs import NO_LABELS
from twinlens.datasets.same_pairs import AnyPairs, ImagePairs, TextPairs
from twinlens.model.model import Model


def run(options: argparse.Namespace) -> Outcome:
    """Return every pair with its probability; a pair of an unreadable image has none.

    A row that is no pair is left out.
    """
    same = read_same_pairs(options, options.pairs, label=NO_LABELS)
    pairs, lost = same or read_column_pairs(options, options.pairs, label=NO_LABELS)
    model = open_model(options)
    answer = _matched(model, pairs, options.prior)
    rows = [
        {
            **{side: _name(value, number) for side, value in zip(answer.sides, both, strict=True)},
            "probability": None if math.isnan(probability) else round(probability, 6),
            "level": answer.level,
        }
        for number, (*both, probability) in enumerate(
            zip(answer.left, answer.right, answer.probabilities, strict=True)
        )
    ]
    assumed = " (assumed)" if answer.level == "assumed" else ""
    first, second = answer.sides
    readable = [row for row in rows if row["probability"] is not None]
    return Outcome(
        lines=[
            f"{row['probability']:.4f}{assumed}  {row[first]}  {row[second]}" for row in readable
        ],
        document=rows,
        code=0 if len(readable) == len(rows) and not lost else 1,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Matched:
    """Two columns of pairs, with the names of their sides, and the probabilities."""

    sides: tuple[str, str]
    left: Sequence[object]
    right: Sequence[object]
    probabilities: list[float]
    level: str


def _matched(model: Model, pairs: AnyPairs, prior: float | None) -> _Matched:
    left: Sequence[object]
    right: Sequence[object]
    if isinstance(pairs, ImagePairs):
        left, right, sides = pairs.images, pairs.others, ("image", "image2")
        found = model.match_images(pairs.images, pairs.others, prior=prior, on_error="nan")
    elif isinstance(pairs, TextPairs):
        left, right, sides = pairs.texts, pairs.others, ("text", "text2")
        found = model.match_texts(pairs.texts, pairs.others, prior=prior)
    else:
        left, right, sides = pairs.images, pairs.texts, ("image", "text")
        found = model.match(pairs.images, pairs.texts, prior=prior, on_error="nan")
    level = model.calibration_for(pairs=kind_of(pairs)).level
    return _Matched(sides=sides, left=left, right=right, probabilities=found.tolist(), level=level)


def _name(value: object, number: int) -> str:
    """Return the path of an image, or "image 7" for encoded bytes; a text stays."""
    return f"image {number}" if isinstance(value, bytes) else str(value)
