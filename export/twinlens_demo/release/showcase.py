"""The showcase: the few drawings and captions inside the package."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import resvg_py
from PIL import Image

from twinlens_demo.concepts import Concept, class_of, code_of
from twinlens_demo.drawings.iconify import svg_of
from twinlens_demo.packages import DRAWINGS

DRAWING_PX: Final = 128

# Chosen by hand before the test set was seen: every group, plain things first.
SHOWN: Final = (
    *(
        "😀",
        "😢",
        "😡",
        "😴",
        "🤢",
        "🥶",
        "😎",
        "🤠",
        "👻",
        "🤖",
        "❤",
        "👍",
        "🙏",
        "🧑‍🍳",
        "🏃",
        "💃",
    ),
    *("🐶", "🐱", "🐴", "🐘", "🦁", "🐝", "🐞", "🐟", "🦅", "🌵", "🌹", "🌲"),
    *("🍎", "🍓", "🍌", "🥕", "🍕", "🍔", "🍣", "🎂", "☕", "🍺", "🥤"),
    *("🚗", "🚌", "🚲", "🚂", "⛵", "✈", "🏠", "⛄", "❄", "🌧"),
    *("🎸", "🎺", "⚽", "✂", "🔑", "📷", "⏰", "🇯🇵", "🇧🇷", "🇨🇦", "🇫🇷"),
)


def write_showcase(modules: Path, concepts: Sequence[Concept], demo: Path) -> None:
    """Write demo/drawings/*.png, of the test set's artist, and demo/captions.csv."""
    folder = modules / DRAWINGS["twemoji"].package
    icons = json.loads((folder / "icons.json").read_text(encoding="utf-8"))
    chars = json.loads((folder / "chars.json").read_text(encoding="utf-8"))
    icon_of = {code_of(point): icon for point, icon in chars.items()}
    by_code = {concept.code: concept for concept in concepts}
    (demo / "drawings").mkdir(parents=True, exist_ok=True)
    rows: list[Mapping[str, str]] = []
    for emoji in SHOWN:
        concept = by_code[code_of("-".join(f"{ord(letter):x}" for letter in emoji))]
        name = f"{concept.code}.png"
        (demo / "drawings" / name).write_bytes(_png(svg_of(icons, icon_of[concept.code])))
        rows.append(
            {
                "file": name,
                "caption": concept.names[0],
                "class": class_of(concept) or "",
                "concept": "held out" if concept.held_out else "trained",
            }
        )
    with (demo / "captions.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys(), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _png(svg: str) -> bytes:
    rendered = resvg_py.svg_to_bytes(svg_string=svg, width=DRAWING_PX, skip_system_fonts=True)
    file = io.BytesIO()
    with Image.open(io.BytesIO(bytes(rendered))) as image:
        image.save(file, "PNG", optimize=True)
    return file.getvalue()
