"""A table of text in aligned columns."""

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows of text cells: label columns flush left, then figure columns flush right."""

    head: Sequence[str]
    labels: int
    """Number of label columns."""
    rows: list[Sequence[str]] = field(default_factory=list)

    def lines(self) -> list[str]:
        """Return the head and the rows as aligned lines."""
        everything = [self.head, *self.rows]
        widths = [max(len(row[place]) for row in everything) for place in range(len(self.head))]
        return [
            "  ".join(
                cell.ljust(width) if place < self.labels else cell.rjust(width)
                for place, (cell, width) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
            for row in everything
        ]
