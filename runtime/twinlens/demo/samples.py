"""Drawings inside the package, with captions and zero-shot classes."""

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from twinlens.loading import DEMO, folder_of

CLASSES: Final = ("face", "animal", "food", "vehicle", "flag")
CLASS_TEMPLATES: Final = ("{}", "a {}", "a picture of a {}", "{} emoji")
"""Templates for zero-shot classification of the drawings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """One bundled drawing; neither its artist nor its caption is in the training data."""

    path: Path
    caption: str
    kind: str
    """Zero-shot class, or empty."""


def bundled_drawings() -> list[Drawing]:
    """Read the drawings inside the package, with their captions."""
    folder = folder_of(DEMO).parent
    with (folder / "captions.csv").open(encoding="utf-8", newline="") as file:
        return [
            Drawing(
                path=folder / "drawings" / row["file"], caption=row["caption"], kind=row["class"]
            )
            for row in csv.DictReader(file)
        ]
