"""Tables of the README and of RECORD.md, written from the ledger."""

from collections.abc import Iterator, Sequence
from typing import Final

from bench.harness.results_file import three_digits
from bench.record.figure import MACHINES, Figure
from bench.record.sources.search import FAISS, TWINLENS, TWO_THREADS
from bench.record.sources.towers import COLUMNS, ERROR, ROWS

OLD: Final = "†"
"""Mark of a figure that is older than the code it measures."""
PADDED: Final = "plain export, padded to 77 tokens"
OURS: Final = "twinlens int8"


class Figures:
    """Figures of the ledger by their names."""

    def __init__(self, figures: Sequence[Figure]) -> None:
        self._by_key = {figure.key: figure for figure in figures}
        self.all = figures

    def machines(self, table: str) -> list[str]:
        """Return the machines of a table, in the order of MACHINES."""
        there = {figure.machine for figure in self.all if figure.table == table}
        known = [machine for machine in MACHINES.values() if machine in there]
        return known + sorted(there - set(known))

    def tables(self) -> list[str]:
        """Return the names of the tables."""
        return sorted({figure.table for figure in self.all})

    def of(self, table: str, machine: str) -> list[Figure]:
        """Return the figures of a table on one machine."""
        return [one for one in self.all if one.table == table and one.machine == machine]

    def value(self, table: str, row: str, column: str, machine: str) -> float | None:
        """Return a figure; None where it was not measured."""
        figure = self._by_key.get((table, row, column, machine))
        return None if figure is None else figure.value

    def text(self, table: str, row: str, column: str, machine: str) -> str:
        """Return a figure with the digits that count; empty where it was not measured."""
        value = self.value(table, row, column, machine)
        return "" if value is None else three_digits(value)

    def heading(self, table: str, machine: str) -> str:
        """Return a machine with the day of its figures, and the mark of old ones."""
        figures = self.of(table, machine)
        days = sorted({figure.date for figure in figures if figure.date})
        mark = f" {OLD}" if any(figure.since for figure in figures) else ""
        return f"{machine}, {days[-1]}{mark}" if days else f"{machine}{mark}"


def towers(figures: Figures) -> Iterator[str]:
    """Yield ms an item of each contender, the machines one below the other."""
    yield line(["", *COLUMNS.values(), "error"])
    yield "|---" * (len(COLUMNS) + 2) + "|"
    for machine in figures.machines("towers"):
        yield line([f"**{figures.heading('towers', machine)}**", *[""] * (len(COLUMNS) + 1)])
        for row in dict.fromkeys(ROWS.values()):
            if row != PADDED:
                cells = [_tower(figures, row, column, machine) for column in COLUMNS.values()]
                if any(cells):
                    error = figures.value("towers", row, ERROR, machine)
                    told = "" if error is None or row == "transformers" else f"{error:.4f}"
                    yield line([row, *cells, told])


def _tower(figures: Figures, row: str, column: str, machine: str) -> str:
    found = figures.text("towers", row, column, machine)
    padded = figures.text("towers", PADDED, column, machine)
    if found and padded and row == "plain export in onnxruntime":
        return f"{found} ({padded} padded to 77)"
    return f"**{found}**" if found and row == OURS else found


def rest(figures: Figures) -> Iterator[str]:
    """Yield the rest of the way: a row a question, a column a machine."""
    questions = {
        "search": "exact top-10 of 1,000,000 x 512, one thread: 1 / 16 / 256 queries",
        "search twice": "the same, two threads",
        "pixels": "a JPEG of 2 MP / 12 MP to 224 px, one thread: `exact`",
        "pixels fast": "the same, `fast`",
        "files": "2 MP files to int8 ViT-B/32 embeddings, two threads: `exact` / `fast`",
        "cold start": "from nothing to the first image and text, int8 ViT-B/32",
    }
    there = [
        m for name in ("search", "pixels", "files", "cold start") for m in figures.machines(name)
    ]
    machines = list(dict.fromkeys(there))
    yield line(["", *machines])
    yield "|---" * (len(machines) + 1) + "|"
    for name, question in questions.items():
        cells = [
            _dated(figures, name, REST[name](figures, machine), machine) for machine in machines
        ]
        if any(cells):
            yield line([question, *cells])


def _dated(figures: Figures, name: str, cell: str, machine: str) -> str:
    table = name.removesuffix(" fast").removesuffix(" twice")
    old = any(figure.since for figure in figures.of(table, machine))
    return f"{cell} {OLD}" if cell and old else cell


def _searched(figures: Figures, machine: str, *, question: str = "") -> str:
    ours, theirs = (
        " / ".join(
            filter(None, (figures.text("search", row, n, machine) for n in ("1", "16", "256")))
        )
        for row in (TWINLENS + question, FAISS + question)
    )
    return f"{ours} ms; {FAISS} {theirs}" if ours else ""


def _pixels(figures: Figures, machine: str, *, row: str = "exact") -> str:
    def both(name: str) -> str:
        found = (figures.text("pixels", name, size, machine) for size in ("2 MP", "12 MP"))
        return " / ".join(filter(None, found))

    if row == "fast" or not both(row):
        return f"{both(row)} ms" if both(row) else ""
    peers = (f"{name} {both(name)}" for name in ("plain Pillow", "transformers") if both(name))
    return f"{both(row)} ms; {', '.join(peers)}"


def _files(figures: Figures, machine: str) -> str:
    names = ("exact", "fast", "transformers", "a plain onnxruntime script")
    found = {name: figures.text("files", name, "ms a file", machine) for name in names}
    if not found["exact"]:
        return ""
    peers = (f"{name} {found[name]}" for name in names[2:] if found[name])
    return f"{found['exact']} / {found['fast']} ms; {', '.join(peers)}"


def _cold(figures: Figures, machine: str) -> str:
    wall, most, own = (
        figures.text("cold start", OURS, column, machine)
        for column in ("s", "MB at most", "MB of its own")
    )
    return f"{wall} s, {most} MB, {own} of them its own" if wall else ""


REST: Final = {
    "search": _searched,
    "search twice": lambda figures, machine: _searched(figures, machine, question=TWO_THREADS),
    "pixels": _pixels,
    "pixels fast": lambda figures, machine: _pixels(figures, machine, row="fast"),
    "files": _files,
    "cold start": _cold,
}


def every_figure(figures: Figures, table: str) -> Iterator[str]:
    """Yield a table of all its figures, a column a machine."""
    machines = figures.machines(table)
    yield line(["", "", *(f"{figures.heading(table, machine)}" for machine in machines)])
    yield "|---" * (len(machines) + 2) + "|"
    for row, column in dict.fromkeys(
        (one.row, one.column) for one in figures.all if one.table == table
    ):
        digits = (figures.value(table, row, column, machine) for machine in machines)
        yield line(
            [
                row,
                column,
                *(
                    "" if value is None else f"{value:.4g}" if abs(value) > 1 else f"{value:.5g}"
                    for value in digits
                ),
            ]
        )


def line(cells: Sequence[str]) -> str:
    """Return one row of Markdown."""
    return f"| {' | '.join(cells)} |"
