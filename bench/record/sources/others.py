"""Figures of the files that have one or two to publish."""

from collections.abc import Iterator
from typing import Any

from bench.record.sources.towers import Cell


def bulk(document: dict[str, Any]) -> Iterator[Cell]:
    """Yield the rate and the memory of a million pictures, and the ends of killed jobs."""
    if "million" in document:
        yield "bulk jobs", "a million pictures", "a second", document["million"]["a_second"]
        yield "bulk jobs", "a million pictures", "MB at its end", _last(document)
    if "kills" in document:
        for fault in ("kills", "repeated", "missing"):
            yield "bulk jobs", "killed jobs", fault, document["kills"][fault]


def browse(document: dict[str, Any]) -> Iterator[Cell]:
    """Yield the time from Enter to the first hit."""
    for line in document.get("figures", []):
        row = f"{line['pictures']:,} pictures"
        yield "browse", row, "ms to the first hit", line["enter_ms"]["median"]


def handoffs(document: dict[str, Any]) -> Iterator[Cell]:
    """Yield the search of a million rows in each library."""
    for line in document.get("cells", []):
        if line["rows"] == 1_000_000 and "ms" in line:
            yield "libraries, a million rows", line["library"], "ms", line["ms"]
            yield "libraries, a million rows", line["library"], "recall", line["recall"]


def cold_paths(document: dict[str, Any]) -> Iterator[Cell]:
    """Yield the first embeddings of a fresh process, by the operators that serve."""
    for line in document.get("starts", []):
        row = f"{line['operators']}, {line['kernels']} kernels"
        yield "cold start by operators", row, "s of CPU", line["cpu_s"]
        yield "cold start by operators", row, "MB at most", line["peak_mb"]


def export_cost(document: dict[str, Any]) -> Iterator[Cell]:
    """Yield the time and the memory of an export with default samples."""
    for line in document.get("exports", []):
        for column in ("seconds", "peak_mb", "resident_mb"):
            yield "export with default samples", line["model"], column, line[column]


def _last(document: dict[str, Any]) -> float:
    return float(document["million"]["resident_mb"]["1.0"])
