"""Odd things that are given as images, and what comes of each: the one list of them.

`test_odd_images.py` loads every one; the tables in `runtime/twinlens/images/IMAGES.md` are
`tables()`.
"""

from typing import Final

from odd_images.colours import COLOURS
from odd_images.files import DAMAGED, ORIENTATIONS, SEVERAL
from odd_images.oddity import Odd, Refused, Seen
from odd_images.sources import ARRAYS, CONTAINERS, FORMATS, SHAPES

__all__ = ["ODDITIES", "SECTIONS", "Odd", "Refused", "Seen", "tables"]

SECTIONS: Final = {
    "Colours": COLOURS,
    "Orientation": ORIENTATIONS,
    "Several pictures in a file": SEVERAL,
    "Damage": DAMAGED,
    "Shapes and limits": SHAPES,
    "Formats": FORMATS,
    "Paths, bytes and files": CONTAINERS,
    "Arrays": ARRAYS,
}
ODDITIES: Final = tuple(odd for section in SECTIONS.values() for odd in section)


def tables() -> str:
    """The list as Markdown, one table a section."""
    parts = []
    for title, section in SECTIONS.items():
        rows = [f"| {odd.given} | {odd.comes} |" for odd in section]
        parts.append(
            "\n".join([f"## {title}", "", "| given | what comes of it |", "|---|---|", *rows])
        )
    return "\n\n".join(parts) + "\n"
