"""Catalogue of all unusual inputs, and its Markdown.

`test_odd_images.py` loads every one; the tables in `runtime/twinlens/images/IMAGES.md` are
`tables()`.
"""

from typing import Final

from odd_images.colours import COLOURS
from odd_images.damage import DAMAGED
from odd_images.frames import SEVERAL
from odd_images.limits import FORMATS, SHAPES
from odd_images.orientation import ORIENTATIONS
from odd_images.sources import ARRAYS, CONTAINERS

SECTIONS: Final = {
    "Colours": COLOURS,
    "Orientation": ORIENTATIONS,
    "Several images in a file": SEVERAL,
    "Damage": DAMAGED,
    "Shapes and limits": SHAPES,
    "Formats": FORMATS,
    "Paths, bytes and files": CONTAINERS,
    "Arrays": ARRAYS,
}
ODD_INPUTS: Final = tuple(odd for section in SECTIONS.values() for odd in section)


def tables() -> str:
    """The catalogue as Markdown, one table a section."""
    parts = []
    for title, section in SECTIONS.items():
        rows = [f"| {odd.given} | {odd.result} |" for odd in section]
        parts.append("\n".join([f"## {title}", "", "| input | result |", "|---|---|", *rows]))
    return "\n\n".join(parts) + "\n"
