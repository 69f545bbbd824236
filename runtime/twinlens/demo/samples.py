"""The drawings inside the package, and the words they are tried with."""

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from twinlens.loading import DEMO, folder_of

CLASSES: Final = ("face", "animal", "food", "vehicle", "flag")
CLASS_TEMPLATES: Final = ("{}", "a {}", "a picture of a {}", "{} emoji")
"""For zero-shot classification of the demo's drawings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """One bundled drawing: by a hand, and with captions, that the model was never trained on."""

    path: Path
    caption: str
    kind: str
    """Its zero-shot class, or empty."""


def bundled_drawings() -> list[Drawing]:
    """The drawings inside the package, with their captions."""
    folder = folder_of(DEMO).parent
    with (folder / "captions.csv").open(encoding="utf-8", newline="") as file:
        return [
            Drawing(
                path=folder / "drawings" / row["file"], caption=row["caption"], kind=row["class"]
            )
            for row in csv.DictReader(file)
        ]
