"""Figures of bench.search: ms of exact top 10 of a million rows."""

from collections.abc import Iterator
from typing import Any, Final

from bench.record.sources.towers import Cell

WANTED: Final = {"n": 1_000_000, "width": 512, "threads": 1, "kind": "text", "k": 10}
YARDSTICK: Final = "faiss, best setting"
TWINLENS: Final = "twinlens"
FAISS: Final = "faiss at its best setting"


def cells(document: dict[str, Any]) -> Iterator[Cell]:
    """Yield the figures of one thread, for each number of queries."""
    for line in document.get("results", []):
        if line["peer"] == YARDSTICK and WANTED.items() <= line.items():
            column = str(line["n_queries"])
            yield "search", TWINLENS, column, line["twinlens_ms"]
            yield "search", FAISS, column, line["ms"]
