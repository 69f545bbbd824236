"""The record of the packages: results/packages.json, and the tables of docs/pages/packages.md."""

import itertools
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from bench.harness.machine import commit
from bench.harness.paths import RESULTS, ROOT
from bench.harness.results_file import one_row_a_line

RESULT: Final = RESULTS / "packages.json"
PAGE: Final = ROOT / "docs" / "pages" / "packages.md"
Row = Mapping[str, Any]


def record(part: str, rows: Sequence[Row], key: str) -> None:
    """Replace the rows of a part by those of a run; rows of another `key` stay."""
    before = json.loads(RESULT.read_text(encoding="utf-8")) if RESULT.exists() else {}
    new = {row[key]: {**row, "commit": commit()} for row in rows}
    kept = {row[key]: row for row in before.get(part, ())}
    document = {**before, part: [dict(row) for row in {**kept, **new}.values()]}
    RESULT.write_text(one_row_a_line(document), encoding="utf-8")
    write_page(document)


def write_page(document: Mapping[str, Sequence[Row]]) -> None:
    """Write the tables of the page, each below its mark `<!-- packages: NAME -->`."""
    page = PAGE.read_text(encoding="utf-8")
    for part, columns in COLUMNS.items():
        page = _with_table(page, part, _table(columns, document.get(part, ())))
    PAGE.write_text(page, encoding="utf-8")


COLUMNS: Final[Mapping[str, Sequence[str]]] = {
    "wheels": ("file", "MB", "instruction sets", "oldest system", "checked by"),
    "runs": ("wheel", "where", "what ran"),
    "installations": ("line", "packages", "CPython 3.11", "CPython 3.12", "CPython 3.13"),
    "versions": ("environment", "versions", "tests"),
    "rehearsal": ("step", "outcome"),
}
"""Columns of each table; the first names the row."""


def _table(columns: Sequence[str], rows: Iterable[Row]) -> list[str]:
    head = [f"| {' | '.join(columns)} |", "|" + "---|" * len(columns)]
    return head + [f"| {' | '.join(str(row.get(name, '')) for name in columns)} |" for row in rows]


def _with_table(page: str, part: str, lines: Iterable[str]) -> str:
    mark = f"<!-- packages: {part} -->\n"
    before, found, rest = page.partition(mark)
    if not found:
        raise ValueError(f"{PAGE} has no line {mark.strip()}, which says where the table goes")
    after = itertools.dropwhile(lambda line: line.startswith("|"), rest.splitlines(keepends=True))
    return before + mark + "".join(f"{line}\n" for line in lines) + "".join(after)
