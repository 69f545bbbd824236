"""Records of a CSV file with cells of any length.

Python's csv module refuses a cell above 131,072 characters, by a limit that is one for the process.
"""

from collections.abc import Iterable, Iterator
from typing import Final

_QUOTE: Final = '"'
_LINE_ENDS: Final = "\r\n"


def csv_records(lines: Iterable[str], *, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    r"""Yield each record with the number of its last line, from 1; empty lines are skipped.

    The rules are those of `csv.reader(lines, strict=True)` (RFC 4180): a cell that begins with a
    quote ends at the next single one, and two quotes in it are one.

    Args:
        lines: the lines of the file, opened with newline="".
        delimiter: the character between two cells.

    Raises:
        ValueError: a quoted cell is not closed, or something other than the delimiter follows it.

    >>> list(csv_records(['a,"b\n', '""c"\n'], delimiter=","))
    [(2, ['a', 'b\n"c'])]
    """
    source = _Lines(lines)
    for line in source:
        plain = line.rstrip(_LINE_ENDS)
        if plain:
            cells = (
                plain.split(delimiter) if _QUOTE not in line else _cells(source, line, delimiter)
            )
            yield source.number, cells


class _Lines:
    """Lines with the number of the last one."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._lines, self.number = iter(lines), 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        self.number += 1
        return line


def _cells(source: _Lines, line: str, delimiter: str) -> list[str]:
    """Return the cells of a record that begins with this line and has quotes."""
    cells, at = [], 0
    while True:
        if line.startswith(_QUOTE, at):
            cell, line, at = _quoted_cell(source, line, at + 1)
        else:
            end = line.find(delimiter, at)
            end = end if end >= 0 else len(line.rstrip(_LINE_ENDS))
            cell, at = line[at:end], end
        cells.append(cell)
        if at == len(line) or line[at] in _LINE_ENDS:
            return cells
        if not line.startswith(delimiter, at):
            raise ValueError(f"{delimiter!r} expected after a closing quote")
        at += len(delimiter)


def _quoted_cell(source: _Lines, line: str, at: int) -> tuple[str, str, int]:
    """Return a cell whose text begins at a place of the line, its last line and its end there."""
    parts = []
    while True:
        end = line.find(_QUOTE, at)
        if end < 0:
            parts.append(line[at:])
            following = next(source, None)
            if following is None:
                raise ValueError("unexpected end of data: a quote is not closed")
            line, at = following, 0
        elif line.startswith(_QUOTE, end + 1):
            parts.append(line[at : end + 1])
            at = end + 2
        else:
            parts.append(line[at:end])
            return "".join(parts), line, end + 1
