"""Figures of all files of results, and the ledger that keeps those of other machines."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

from bench.harness.paths import RESULTS
from bench.harness.results_file import one_row_a_line
from bench.record.ages import Ages
from bench.record.figure import Figure, machine_of
from bench.record.sources import autogluon, others, search, serving, towers
from bench.record.sources import input as pixels

LEDGER: Final = RESULTS / "record.json"
OPERATORS: Final = (
    "kernels/src/operators",
    "export/twinlens_export/blocks",
    "export/twinlens_export/quantization",
    "runtime/twinlens/ort",
    "runtime/twinlens/embedding",
)
SEARCHES: Final = (
    "kernels/src/search",
    "kernels/src/support",
    "runtime/twinlens/search",
    "runtime/twinlens/index",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One file of results."""

    cells: Callable[[dict[str, Any]], Iterator[tuple[str, str, str, float]]]
    measures: tuple[str, ...]
    """Folders of the code that it measures."""


SOURCES: Final[Mapping[str, Source]] = {
    "towers": Source(cells=towers.cells, measures=OPERATORS),
    "search": Source(
        cells=search.cells,
        measures=SEARCHES,
    ),
    "input": Source(
        cells=pixels.cells,
        measures=("kernels/src/resample", "runtime/twinlens/images", "runtime/twinlens/texts"),
    ),
    "serving": Source(
        cells=serving.cells,
        measures=("runtime/twinlens/http", "runtime/twinlens/serving", *OPERATORS),
    ),
    "autogluon": Source(
        cells=autogluon.cells,
        measures=("runtime/twinlens/images", "runtime/twinlens/model", *OPERATORS),
    ),
    "cold_paths": Source(cells=others.cold_paths, measures=OPERATORS),
    "export_cost": Source(cells=others.export_cost, measures=("export/twinlens_export",)),
    "bulk": Source(cells=others.bulk, measures=("runtime/twinlens/bulk",)),
    "browse": Source(cells=others.browse, measures=("runtime/twinlens/browsing",)),
    "handoffs": Source(
        cells=others.handoffs,
        measures=SEARCHES,
    ),
}
"""By the name of the file; a machine of its own may have NAME-MACHINE.json."""


def found(folder: Path = RESULTS) -> Iterator[Figure]:
    """Yield the figures of all files of results, without their days and ages."""
    for name, source in SOURCES.items():
        for file in sorted({folder / f"{name}.json", *folder.glob(f"{name}-*.json")}):
            if file.exists():
                document = json.loads(file.read_text(encoding="utf-8"))
                for table, row, column, value in source.cells(document):
                    yield Figure(
                        table=table,
                        row=row,
                        column=column,
                        machine=machine_of(document),
                        value=value,
                        source=file.name,
                        commit=",".join(commits_in(document)),
                    )


def commits_in(document: object) -> list[str]:
    """Return the commits that a document names, each once, sorted."""
    names: set[str] = set()
    waiting = [document]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            names |= {part["commit"]} if isinstance(part.get("commit"), str) else set()
            names |= set(part.get("commits", ()))
            waiting += part.values()
        elif isinstance(part, list):
            waiting += part
    return sorted(names - {""})


def gathered(ledger: Iterable[Figure], ages: Ages, folder: Path = RESULTS) -> list[Figure]:
    """Return the ledger with the figures of the files of results in place of older ones.

    A machine whose figures no file has any more keeps those of the ledger; all ages are told anew.
    """
    known = {figure.key: figure for figure in ledger}
    for figure in found(folder):
        commit = ages.oldest(figure.commit.split(","))
        dated = replace(figure, commit=commit, date=ages.day_of_file(folder / figure.source))
        known[figure.key] = dated
    return [
        replace(figure, since=ages.commits_since(figure.commit, measured_by(figure)))
        for _, figure in sorted(known.items(), key=lambda pair: pair[1].table)
    ]


def measured_by(figure: Figure) -> tuple[str, ...]:
    """Return the folders of the code that a figure measures."""
    name = figure.source.removesuffix(".json").partition("-")[0]
    return SOURCES[name].measures


def read_ledger(file: Path = LEDGER) -> list[Figure]:
    """Return the figures of the ledger; none where there is none."""
    if not file.exists():
        return []
    return [Figure(**line) for line in json.loads(file.read_text(encoding="utf-8"))["figures"]]


def write_ledger(figures: Iterable[Figure], file: Path = LEDGER) -> None:
    """Write the ledger, a figure a line."""
    question = "published figures, with the machine, the day and the commit of each"
    document = {"question": question, "figures": [asdict(figure) for figure in figures]}
    file.write_text(one_row_a_line(document), encoding="utf-8")
