"""Sift a tile of float32 scores in C++; importing this needs the compiled module."""

import numpy as np
from numpy.typing import NDArray

from twinlens_kernels import _native
from twinlens_kernels.tiled.operands import Queries, Tile
from twinlens_kernels.tiled.topk_heap import Best


def sift(
    scores: NDArray[np.float32], queries: Queries, tile: Tile, best: Best, *, threads: int
) -> None:
    """Bring `best` up to date with a tile whose scaled scores are [Q, N]."""
    _native.sift(
        scores=scores,
        queries=queries.rows,
        rows=tile.rows,
        reach=queries.reach,
        lengths=tile.lengths,
        units=np.ldexp(1.0, queries.exponents + tile.exponent),
        first_row=tile.first_row,
        best_scores=best.scores,
        best_ids=best.ids,
        threads=threads,
    )
