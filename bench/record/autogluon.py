"""The README's table of AutoGluon beside twinlens."""

from collections.abc import Iterator
from typing import Final

from bench.harness.results_file import three_digits
from bench.record.sources.autogluon import INSTALLED, MEMORY, TABLE, TIMES, UNITS
from bench.record.tables import Figures, line

SIDES: Final = ("autogluon", "twinlens")
WAYS: Final = ("(1 + cosine) / 2", "assumed", "fitted-pairs")
MODELS: Final = {"demo": "the demo's checkpoint", "B32": "ViT-B/32, random weights"}


def autogluon(figures: Figures) -> Iterator[str]:
    """Yield both sides: packages installed, then times and probabilities of each model."""
    yield line(["", "AutoGluon", "twinlens int8"])
    yield "|---|---|---|"
    for machine in figures.machines(TABLE):
        found = _Machine(figures, machine)
        yield line([f"**{figures.heading(TABLE, machine)}**", "", ""])
        yield line(["packages, MB on disk", *map(found.installed, SIDES)])
        for model, words in MODELS.items():
            if found.value(f"{model}, twinlens", MEMORY) is not None:
                yield from _of_model(found, model, words)


def _of_model(found: "_Machine", model: str, words: str) -> Iterator[str]:
    rows = [f"{model}, {side}" for side in SIDES]
    unit = next(unit for unit in UNITS if found.value(rows[1], f"first pair, {unit}") is not None)
    times = [f"{words}, {unit}" for words in TIMES.values()]
    yield line([f"{words}: the first pair, {unit}", *(found.text(row, times[0]) for row in rows)])
    yield line([f"{words}: memory at the first pair, MB", *(found.text(r, MEMORY) for r in rows)])
    work = ", ".join(TIMES[name] for name in ("images", "texts", "pairs"))
    spent = (" / ".join(found.text(row, each) for each in times[1:]) for row in rows)
    yield line([f"{words}: {work}, {unit}", *spent])
    for concepts in ("known", "unseen"):
        told = [found.told(f"{model}, {way}", concepts) for way in WAYS]
        if all(told):
            ours = f"{told[1]} assumed, without pairs; {told[2]} fitted on pairs"
            yield line([f"{words}: ECE, right of {concepts} concepts", told[0], ours])


class _Machine:
    """Figures of one machine."""

    def __init__(self, figures: Figures, machine: str) -> None:
        self._figures, self._machine = figures, machine

    def value(self, row: str, column: str) -> float | None:
        return self._figures.value(TABLE, row, column, self._machine)

    def text(self, row: str, column: str) -> str:
        value = self.value(row, column)
        return "" if value is None else three_digits(value)

    def installed(self, side: str) -> str:
        row = f"{INSTALLED}, {side}"
        packages, mb = self.value(row, "packages"), self.value(row, "MB on disk")
        return f"{packages:.0f}, {mb:,.0f}" if packages and mb else ""

    def told(self, row: str, concepts: str) -> str:
        error = self.value(row, f"ECE, {concepts} concepts")
        right = self.value(row, f"right, {concepts} concepts")
        return "" if error is None or right is None else f"{error:.2f}, {right:.0%}"
