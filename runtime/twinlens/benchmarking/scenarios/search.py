"""Search: exact top k of one query, and of several, over unit rows drawn by chance."""

from functools import partial

import numpy as np
from numpy.typing import NDArray

from twinlens.benchmarking.options import Settings
from twinlens.benchmarking.record import Accuracy
from twinlens.benchmarking.scenarios.probe import Act, Probe
from twinlens.index.index import Index
from twinlens.normalization import unit_rows

F32 = NDArray[np.float32]
CENTRE = 1.0
"""Length of the mean of the rows beside the spread of each: embeddings of one kind lie together."""
QUERY_SETS = 16
AT_ONCE = 8192
"""Rows of brute force at once: all of them in float64 would be half a gigabyte."""
COMPARED = 4
"""Queries compared with brute force."""


class Searched:
    """An index of rows of one width, and its searches."""

    def __init__(self, settings: Settings, *, width: int) -> None:
        """Draw the rows and the queries, and build the index."""
        self._settings, self._width = settings, width
        self._rows = drawn_rows(settings.search_rows, width, seed=settings.seed)
        self._index = Index.build(self._rows)

    def probes(self, *, threads: int | None) -> list[Probe]:
        """Return a search of one query, and of several at once."""
        settings = self._settings
        return [
            Probe(
                scenario="search",
                name=name_of(settings, count),
                query="search",
                items=count,
                act=self._searches(count, threads),
            )
            for count in settings.search_queries
        ]

    def accuracy(self) -> Accuracy:
        """Return the share of the hits that brute force in float64 finds too, of some queries."""
        queries = self._query_sets(COMPARED)[0]
        k = self._settings.search_k
        found = self._index.search(queries, k).ids
        wide = queries.astype(np.float64)
        parts = [
            wide @ unit_rows(self._rows[at : at + AT_ONCE]).astype(np.float64).T
            for at in range(0, len(self._rows), AT_ONCE)
        ]
        cosines = np.concatenate(parts, axis=1)
        best = np.argsort(-cosines, axis=1, kind="stable")[:, :k]
        shares = [float(np.isin(a, b).mean()) for a, b in zip(found, best, strict=True)]
        return Accuracy(
            reference="hits by brute force in float64",
            worst=min(shares),
            mean=sum(shares) / len(shares),
            samples=len(shares),
        )

    def _searches(self, count: int, threads: int | None) -> Act:
        queries = self._query_sets(count)
        search = partial(self._index.search, k=self._settings.search_k, threads=threads)
        return lambda number: search(queries[number % len(queries)])

    def _query_sets(self, count: int) -> list[F32]:
        drawn = drawn_rows(QUERY_SETS * count, self._width, seed=self._settings.seed + 1)
        return [unit_rows(drawn[at : at + count]) for at in range(0, len(drawn), count)]


def name_of(settings: Settings, count: int) -> str:
    """Return the name of a search."""
    queries = "1 query" if count == 1 else f"{count} queries"
    return f"{queries}, {settings.search_rows:,} rows, k = {settings.search_k}"


def drawn_rows(count: int, width: int, *, seed: int) -> F32:
    """Return rows [N, D] around one direction, in float32."""
    draw = np.random.default_rng(seed)
    centre = draw.standard_normal(width, dtype=np.float32) * np.float32(CENTRE)
    return draw.standard_normal((count, width), dtype=np.float32) + centre
