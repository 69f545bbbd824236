"""Exact inner-product top-k: float32 scores tile by tile, rescored in float64.

Only rows whose upper bound (operands.py) reaches the K-th best score so far are rescored, each by
the formula of reference.py. So the result equals brute force for any tiling.
"""

from collections.abc import Iterator
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from twinlens_kernels.range_hits import Ranges
from twinlens_kernels.tiled.corpus import Tiles
from twinlens_kernels.tiled.exact_scores import score_pairs
from twinlens_kernels.tiled.operands import Queries, Tile
from twinlens_kernels.tiled.topk_heap import TopkHeap, scores_in_units
from twinlens_kernels.validation import require_finite_rows

_MAX_SCORES = 2**20
_MAX_BLOCK_QUERIES = 256


class UpdateTopk(Protocol):
    """Update step of the top-k: in numpy (update_numpy.py) or in C++ (update_native.py)."""

    def __call__(
        self,
        scores: NDArray[np.float32],
        queries: Queries,
        tile: Tile,
        heap: TopkHeap,
        *,
        threads: int,
    ) -> None:
        """Update the heap with a tile of N rows, whose scaled float32 scores are [Q, N]."""


def tiled_topk(
    queries: NDArray[np.float32],
    corpus: Tiles,
    k: int,
    *,
    update_topk: UpdateTopk,
    threads: int,
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return ids and scores [Q, K] as `twinlens_kernels.topk` does, with the given update step.

    The shapes fit each other; non-finite queries and rows are refused here.
    """
    require_finite_rows("queries", queries)
    heap = TopkHeap.empty(len(queries), min(k, len(corpus)))
    prepared = Queries.prepare(np.ascontiguousarray(queries))
    for tile in corpus.tiles():
        for start, block, scores in _products(prepared, tile):
            part = heap.block(start, start + len(block.rows))
            update_topk(scores, block, tile, part, threads=threads)

    positions, exact = heap.ranked()
    return corpus.row_numbers(positions), exact


def tiled_within(
    queries: NDArray[np.float32],
    corpus: Tiles,
    floors: NDArray[np.float64],
) -> Ranges:
    """Return the rows that reach the floors [Q], as `twinlens_kernels.within` does."""
    require_finite_rows("queries", queries)
    prepared = Queries.prepare(np.ascontiguousarray(queries))
    found: list[tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float64]]] = []
    for tile in corpus.tiles():
        for start, block, scores in _products(prepared, tile):
            part = floors[start : start + len(block.rows)]
            units = np.ldexp(1.0, block.exponents + tile.exponent)
            upper = scores + np.multiply.outer(block.reach, tile.lengths)
            of_query, of_row = np.nonzero(upper >= scores_in_units(part, units)[:, None])
            exact = score_pairs(block.rows, tile.rows, of_query, of_row)
            hits = exact >= part[of_query]
            found.append((start + of_query[hits], tile.first_row + of_row[hits], exact[hits]))

    if not found:
        found.append((np.empty(0, np.intp), np.empty(0, np.intp), np.empty(0)))
    of_queries, positions, exacts = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return Ranges.from_pairs(
        of_queries, corpus.row_numbers(positions), exacts, n_queries=len(queries)
    )


def _products(queries: Queries, tile: Tile) -> Iterator[tuple[int, Queries, NDArray[np.float32]]]:
    """Yield blocks of queries with their scaled scores [Q, N]; a block's scores stay in cache."""
    step = min(_MAX_BLOCK_QUERIES, max(1, _MAX_SCORES // len(tile.rows)))
    for start in range(0, len(queries.rows), step):
        block = queries.block(start, start + step)
        yield start, block, block.scaled @ tile.scaled.T
