"""Figures of AutoGluon beside twinlens: installations, times, memory and probabilities."""

from collections.abc import Iterator
from typing import Any, Final

from bench.record.sources.towers import Cell

TABLE: Final = "AutoGluon"
INSTALLED: Final = "installed"
QUIET: Final = 3.5
"""Load average, with the two threads of the run, up to which times by the clock are published."""
TIMES: Final = {
    "first_pair": "first pair",
    "images": "600 pictures",
    "texts": "1,000 texts",
    "pairs": "500 pairs",
}
UNITS: Final = ("s", "CPU s")
MEMORY: Final = "MB at the first pair"
PROBABILITIES: Final = {
    "ece_known": "ECE, known concepts",
    "accuracy_known": "right, known concepts",
    "ece_unseen": "ECE, unseen concepts",
    "accuracy_unseen": "right, unseen concepts",
}


def cells(document: dict[str, Any]) -> Iterator[Cell]:
    """Yield the installations, then times and memory of each model, then its probabilities.

    Seconds of the CPUs always; by the clock only where nothing else ran.
    """
    for side, found in document["installed"].items():
        yield TABLE, f"{INSTALLED}, {side}", "packages", found["packages"]
        yield TABLE, f"{INSTALLED}, {side}", "MB on disk", found["mb"]
    is_quiet = document["load_average"] <= QUIET
    for line in document["speeds"]:
        row = f"{line['model']}, {line['side']}"
        for name, words in TIMES.items():
            yield TABLE, row, f"{words}, {UNITS[1]}", line[f"{name}_cpu_s"]
            if is_quiet:
                yield TABLE, row, f"{words}, {UNITS[0]}", line[f"{name}_s"]
        yield TABLE, row, MEMORY, line["resident_mb"]
    for line in document["probabilities"]:
        for name, words in PROBABILITIES.items():
            yield TABLE, f"{line['model']}, {line['probability']}", words, line[name]
