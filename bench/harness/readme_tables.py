"""Tables of bench/README.md, written from the results."""

import itertools
from collections.abc import Iterable, Mapping
from typing import Final

from bench.harness.paths import ROOT

README: Final = ROOT / "bench" / "README.md"


def write_tables(room: str, tables: Mapping[str, Iterable[str]]) -> None:
    """Replace the tables of a room of bench, by name, with others of these lines."""
    page = README.read_text(encoding="utf-8")
    for name, rows in tables.items():
        page = with_table(page, f"<!-- {room}: {name} -->\n", rows)
    README.write_text(page, encoding="utf-8")


def has_table(room: str, name: str) -> bool:
    """Return True if the page shows this table: not every machine's are all shown."""
    return f"<!-- {room}: {name} -->\n" in README.read_text(encoding="utf-8")


def with_table(page: str, mark: str, rows: Iterable[str]) -> str:
    """Replace the table below its mark: the lines there that begin with a bar."""
    before, found, rest = page.partition(mark)
    if not found:
        raise ValueError(f"{README} has no line {mark.strip()}, which says where the table goes")
    after = itertools.dropwhile(lambda line: line.startswith("|"), rest.splitlines(keepends=True))
    return before + mark + "".join(f"{row}\n" for row in rows) + "".join(after)
