"""Figures of bench.search: ms of exact top 10 of a million rows."""

from collections.abc import Iterator
from typing import Any, Final

from bench.record.sources.towers import Cell

WANTED: Final = {"n": 1_000_000, "width": 512, "k": 10}
YARDSTICK: Final = "faiss, best setting"
TWINLENS: Final = "twinlens"
FAISS: Final = "faiss at its best setting"
TWO_THREADS: Final = ", two threads"
THREADS: Final = {1: "", 2: TWO_THREADS}
KINDS: Final = {"text": "", "image": ", image queries"}


def cells(document: dict[str, Any]) -> Iterator[Cell]:
    """Yield the figures of each number of threads and queries, of texts and of images."""
    for line in document.get("results", []):
        if line["peer"] == YARDSTICK and WANTED.items() <= line.items():
            question = KINDS[line["kind"]] + THREADS[line["threads"]]
            column = str(line["n_queries"])
            yield "search", TWINLENS + question, column, line["twinlens_ms"]
            yield "search", FAISS + question, column, line["ms"]
