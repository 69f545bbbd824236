"""Cells of the tables: a corpus with a thread count, and one question to it."""

from dataclasses import asdict, dataclass
from typing import Any

from bench.search.corpus import Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class CorpusSetup:
    """Corpus of N rows of width D, searched on a number of threads."""

    n: int
    width: int
    threads: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One question: Q queries of a kind, k hits each."""

    kind: Kind
    n_queries: int
    k: int


def cell_key(setup: CorpusSetup, peer: str, cell: Cell) -> dict[str, Any]:
    """Return the fields that identify the line of one cell in the results log."""
    return asdict(setup) | asdict(cell) | {"peer": peer}
