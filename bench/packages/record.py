"""The record of the packages: results/packages.json, and the tables of docs/pages/packages.md."""

import itertools
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Any, Final

from bench.harness.paths import RESULTS, ROOT
from bench.harness.results_file import one_row_a_line
from bench.packages.outcome import counts_of, told

RESULT: Final = RESULTS / "packages.json"
PAGE: Final = ROOT / "docs" / "pages" / "packages.md"
Row = Mapping[str, Any]


def record(part: str, rows: Sequence[Row], *keys: str) -> None:
    """Replace the rows of a part by those of a run; rows that differ in one of `keys` stay."""
    before = json.loads(RESULT.read_text(encoding="utf-8")) if RESULT.exists() else {}
    named = itemgetter(*keys)
    new = {named(row): row for row in rows}
    kept = {named(row): row for row in before.get(part, ())}
    document = {**before, part: [dict(row) for row in {**kept, **new}.values()]}
    RESULT.write_text(one_row_a_line(document), encoding="utf-8")
    write_page(document)


def write_page(document: Mapping[str, Sequence[Row]]) -> None:
    """Write the tables of the page, each below its mark `<!-- packages: NAME -->`."""
    page = PAGE.read_text(encoding="utf-8")
    shown = {
        **document,
        "wheels": _by_system(document.get("wheels", ())),
        "versions": _by_environment(document.get("versions", ())),
    }
    for part, columns in COLUMNS.items():
        page = _with_table(page, part, _table(columns, shown.get(part, ())))
    PAGE.write_text(page, encoding="utf-8")


COLUMNS: Final[Mapping[str, Sequence[str]]] = {
    "wheels": ("system", "oldest", "CPython 3.11", "3.12 and later", "instruction sets", "commit"),
    "runs": ("where", "what ran", "commit"),
    "installations": ("line", "packages", "CPython 3.11", "CPython 3.12", "CPython 3.13"),
    "versions": ("environment", "versions", "tests", "commit"),
    "rehearsal": ("step", "outcome"),
}
"""Columns of each table; the first names the row."""

_SYSTEMS: Final = {
    "manylinux": "Linux",
    "musllinux": "Linux with musl",
    "macosx": "macOS",
    "win": "Windows",
}


def _by_system(rows: Sequence[Row]) -> list[Row]:
    """Return one row for the two wheels of a system and processor, and one for the sdist."""
    found: dict[str, dict[str, Any]] = {}
    for row in rows:
        name = str(row["file"])
        system = next(
            (told for tag, told in _SYSTEMS.items() if f"-{tag}" in name), "any: the sdist"
        )
        if name.endswith(".whl"):
            system += ", ARM" if name.endswith(("aarch64.whl", "arm64.whl")) else ", x86-64"
        shared = {"system": system, "oldest": row.get("oldest system", "")}
        own = found.setdefault(
            system, {**shared, "instruction sets": row.get("instruction sets", "")}
        )
        versions = [] if "-abi3-" in name else ["CPython 3.11"]
        versions += [] if "-cp311-" in name else ["3.12 and later"]
        own.update(dict.fromkeys(versions, f"{row['MB']:.2f} MB"))
        own["commit"] = ", ".join(
            sorted({*own.get("commit", "").split(", "), row["commit"]} - {""})
        )
    order = [*_SYSTEMS.values(), "any: the sdist"]
    return sorted(found.values(), key=lambda row: order.index(row["system"].partition(",")[0]))


def _by_environment(rows: Iterable[Row]) -> list[Row]:
    """Return one row, with the sums, for all tests at a commit in an environment."""
    shared = ("environment", "versions", "commit")
    found: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        found.setdefault(itemgetter(*shared)(row), []).append(row)
    return [
        {
            **dict(zip(shared, values, strict=True)),
            "tests": f"{_summed(own)} of {', '.join(row['path'] for row in own)}",
        }
        for values, own in found.items()
    ]


def _summed(rows: Iterable[Row]) -> str:
    counts: Counter[str] = Counter()
    for row in rows:
        counts.update(counts_of(row["outcome"]))
    return told(counts)


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
