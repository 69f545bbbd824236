"""What an act of the command line came to."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Lines for a person, the same as a JSON document for a program, and the exit code."""

    lines: Sequence[str]
    document: Any
    code: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows of text in aligned columns: labels to the left, then figures to the right."""

    head: Sequence[str]
    labels: int
    """How many columns are labels."""
    rows: list[Sequence[str]] = field(default_factory=list)

    def lines(self) -> list[str]:
        """The table, a line a row."""
        everything = [self.head, *self.rows]
        widths = [max(len(row[place]) for row in everything) for place in range(len(self.head))]
        return [
            "  ".join(
                cell.ljust(width) if place < self.labels else cell.rjust(width)
                for place, (cell, width) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
            for row in everything
        ]
