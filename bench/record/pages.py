"""README.md with its tables, and RECORD.md."""

from collections.abc import Iterator
from typing import Final

from bench.harness.paths import ROOT
from bench.harness.readme_tables import with_table
from bench.record.autogluon import autogluon
from bench.record.tables import OLD, Figures, every_figure, rest, towers

README: Final = ROOT / "README.md"
RECORD: Final = ROOT / "bench" / "RECORD.md"
HEAD: Final = f"""# Record

Every figure that we publish, with the machine, the day of its file of results and the oldest commit
that measured it. Written by `python -m bench.record` after a run of [bench](README.md); {OLD} marks
figures that are older than the code they measure, and the last column says by how many commits to
that code.
"""


def readme_page(page: str, figures: Figures) -> str:
    """Return README.md with the tables of the ledger below their marks."""
    for name, table in (("towers", towers), ("rest", rest), ("autogluon", autogluon)):
        page = with_table(page, f"<!-- record: {name} -->\n", table(figures))
    return page


def record_page(figures: Figures) -> str:
    """Return RECORD.md."""
    return "\n".join([HEAD, *summary(figures), *details(figures), ""])


def summary(figures: Figures) -> Iterator[str]:
    """Yield a row for each file of results of each machine."""
    yield "| figures | machine | day | commit | file | state |"
    yield "|---|---|---|---|---|---|"
    for table in figures.tables():
        for machine in figures.machines(table):
            found = figures.of(table, machine)
            one = max(found, key=lambda figure: figure.since)
            state = f"{OLD} {one.since} commits since" if one.since else "as the code is"
            file = f"[{one.source}](results/{one.source})"
            yield f"| {table} | {machine} | {one.date} | {one.commit} | {file} | {state} |"


def details(figures: Figures) -> Iterator[str]:
    """Yield a table of each question."""
    for table in figures.tables():
        yield f"\n## {table[0].upper()}{table[1:]}\n"
        yield from every_figure(figures, table)
