"""A table of text in aligned columns."""

import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

GAP: Final = "  "


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows of text cells: label columns flush left, then figure columns flush right."""

    head: Sequence[str]
    labels: int
    """Number of label columns."""
    rows: list[Sequence[str]] = field(default_factory=list)

    def lines(self, *, columns: int | None = None) -> list[str]:
        """Return the head and the rows as aligned lines.

        Where all columns are wider than the terminal, the table goes on below: the label columns
        once more, with the figures that found no room.

        Args:
            columns: letters of a line; those of the terminal by default, and unlimited where the
                output is none.
        """
        room = terminal_columns() if columns is None else columns
        return [
            line
            for number, places in enumerate(self._parts(room))
            for line in ([""] if number else []) + self._aligned(places)
        ]

    def _parts(self, room: int | None) -> list[list[int]]:
        """Return the columns of each part: all labels, and as many figures as there is room for."""
        widths = [max(len(row[n]) for row in self._everything) for n in range(len(self.head))]
        labels = list(range(self.labels))
        parts = [list(labels)]
        for place in range(self.labels, len(self.head)):
            wide = sum(widths[n] + len(GAP) for n in parts[-1]) + widths[place]
            if room is not None and wide > room and len(parts[-1]) > self.labels:
                parts.append(list(labels))
            parts[-1].append(place)
        return parts

    @property
    def _everything(self) -> list[Sequence[str]]:
        return [self.head, *self.rows]

    def _aligned(self, places: Sequence[int]) -> list[str]:
        widths = {place: max(len(row[place]) for row in self._everything) for place in places}
        return [
            GAP.join(
                row[place].ljust(width) if place < self.labels else row[place].rjust(width)
                for place, width in widths.items()
            ).rstrip()
            for row in self._everything
        ]


def terminal_columns() -> int | None:
    """Return the letters of a terminal's line; None if the output goes to a file or a pipe."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None
