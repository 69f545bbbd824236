"""Exact inner-product top-k: float32 scores tile by tile, then a sift that rescores in float64.

Only rows whose upper bound (operands.py) reaches the K-th best score so far are rescored, each by
the formula of reference.py. So the answer is the brute-force answer, whatever the tiling.
"""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from twinlens_kernels.best import Best
from twinlens_kernels.operands import MAX_WIDTH, Queries, Tile, require_finite

# A tile of 4 MiB is still in a shared cache when the product follows the measuring of its rows.
_TILE_FLOATS = 2**20
_MIN_TILE_ROWS, _MAX_TILE_ROWS = 256, 8192
_MAX_SCORES = 2**20
_MAX_BLOCK_QUERIES = 256


class Sift(Protocol):
    """What numpy_sift.py and native_sift.py both give."""

    def __call__(
        self, scores: NDArray[np.float32], queries: Queries, tile: Tile, best: Best, *, threads: int
    ) -> None:
        """Bring `best` up to date with a tile whose scaled scores are [Q, N]."""


def tiled_topk(
    queries: NDArray[np.float32], corpus: NDArray[np.float32], k: int, *, sift: Sift, threads: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Ids and scores [Q, K] as `twinlens_kernels.topk` promises them, by the sift that is given."""
    _require_rows("queries", queries)
    _require_rows("corpus", corpus)
    _require_same_width(queries, corpus)
    _require_positive("k", k)
    _require_positive("threads", threads)
    require_finite("queries", queries)

    best = Best.empty(len(queries), min(k, len(corpus)))
    prepared = Queries.prepare(np.ascontiguousarray(queries))
    step = int(np.clip(_TILE_FLOATS // corpus.shape[1], _MIN_TILE_ROWS, _MAX_TILE_ROWS))
    for start in range(0, len(corpus), step):
        rows = np.ascontiguousarray(corpus[start : start + step])
        _sift_tile(prepared, Tile.prepare(rows, first_row=start), best, sift, threads)

    ids, scores = best.ranked()
    # Beyond float32 a score is reported as infinite; its place in the order is still exact.
    with np.errstate(over="ignore"):
        return ids, scores.astype(np.float32)


def _sift_tile(queries: Queries, tile: Tile, best: Best, sift: Sift, threads: int) -> None:
    """Multiply and sift one tile, so many queries at a time that the scores stay in the cache."""
    step = min(_MAX_BLOCK_QUERIES, max(1, _MAX_SCORES // len(tile.rows)))
    for start in range(0, len(queries.rows), step):
        block = queries.block(start, start + step)
        scores = block.scaled @ tile.scaled.T
        sift(scores, block, tile, best.block(start, start + step), threads=threads)


def _require_rows(name: str, rows: NDArray[np.float32]) -> None:
    got = getattr(rows, "dtype", type(rows).__name__)
    if got != np.float32:
        raise TypeError(f"{name} is {got}, wanted a float32 array; convert it with astype")
    if rows.ndim != 2:
        raise ValueError(f"{name} has shape {rows.shape}, wanted two dimensions [rows, width]")
    if not 1 <= rows.shape[1] <= MAX_WIDTH:
        raise ValueError(f"{name} has width {rows.shape[1]}, wanted 1 to {MAX_WIDTH}")


def _require_same_width(queries: NDArray[np.float32], corpus: NDArray[np.float32]) -> None:
    if queries.shape[1] != corpus.shape[1]:
        raise ValueError(
            f"queries have width {queries.shape[1]}, but the corpus has width {corpus.shape[1]}; "
            "embed both with the same model"
        )


def _require_positive(name: str, number: int) -> None:
    if number < 1:
        raise ValueError(f"{name} is {number}, wanted at least 1")
