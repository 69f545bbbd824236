"""Figures of the log by scenario and contender: the median over rounds."""

import statistics
from collections.abc import Callable, Iterator
from typing import Any

from bench.harness.results_log import Line, ResultsLog
from bench.serving.contenders import CONTENDERS
from bench.serving.scenarios.soak import NAME as SOAK


class Figures:
    """Cells of one model, but for the soak, which is the demo's."""

    def __init__(self, log: ResultsLog, model: str) -> None:
        self.lines = [
            line for line in log.lines if line["model"] == model or line["scenario"] == SOAK
        ]

    def cells(self, scenario: str, peer: str) -> list[Line]:
        return [
            line for line in self.lines if line["scenario"] == scenario and line["peer"] == peer
        ]

    def peers(self, scenario: str) -> list[str]:
        """Return the contenders of a scenario, in the order of the table of contenders."""
        there = {line["peer"] for line in self.lines if line["scenario"] == scenario}
        return [one.name for one in CONTENDERS if one.name in there]

    def median(self, scenario: str, peer: str, *path: str) -> float:
        """Return the median over the rounds of a figure; NaN if it was not measured."""
        values = list(self._values(scenario, peer, path))
        return statistics.median(values) if values else float("nan")

    def worst(self, scenario: str, peer: str, *path: str) -> float:
        """Return the largest over the rounds; NaN if it was not measured."""
        return max(self._values(scenario, peer, path), default=float("nan"))

    def of(self, scenario: str, peer: str, act: Callable[[Line], float]) -> float:
        """Return the median over the rounds of what a function makes of a cell."""
        values = [act(cell) for cell in self.cells(scenario, peer)]
        return statistics.median(values) if values else float("nan")

    def _values(self, scenario: str, peer: str, path: tuple[str, ...]) -> Iterator[float]:
        for cell in self.cells(scenario, peer):
            found: Any = cell
            for name in path:
                found = found.get(name) if isinstance(found, dict) else None
            if isinstance(found, int | float):
                yield float(found)

    def all_compared(self, peers: set[str]) -> tuple[int, int]:
        """Return the answers that were compared to the bit, and those that differed."""
        compared = wrong = 0
        for line in self.lines:
            if line["peer"] in peers:
                for part in _dicts(line):
                    wrong += part.get("wrong", 0)
                    compared += part.get("compared", 0) or _answers(part)
        return compared, wrong


def _dicts(value: Any) -> Iterator[dict[str, Any]]:
    """Yield every object inside a cell that counts wrong answers."""
    if isinstance(value, dict):
        if "wrong" in value:
            yield value
        for part in value.values():
            yield from _dicts(part)


def _answers(part: dict[str, Any]) -> int:
    return int(part.get("ends", {}).get("200", 0))
