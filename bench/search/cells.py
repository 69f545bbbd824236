"""Cells of the tables: a corpus with a thread count, and one question to it."""

from collections.abc import Sequence
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """The questions that a run asks; it leaves the others for another run."""

    kinds: Sequence[Kind]
    n_queries: Sequence[int]
    ks: Sequence[int]

    def has(self, cell: Cell) -> bool:
        return cell.kind in self.kinds and cell.n_queries in self.n_queries and cell.k in self.ks


def cell_key(setup: CorpusSetup, peer: str, cell: Cell) -> dict[str, Any]:
    """Return the fields that identify the line of one cell in the results log."""
    return asdict(setup) | asdict(cell) | {"peer": peer}
