"""Update of the top-k by a tile of scores, in C++; importing this needs the compiled module."""

import numpy as np
from numpy.typing import NDArray

from twinlens_kernels import _native
from twinlens_kernels.tiled.operands import Queries, Tile
from twinlens_kernels.tiled.topk_heap import TopkHeap


def update_topk(
    scores: NDArray[np.float32], queries: Queries, tile: Tile, heap: TopkHeap, *, threads: int
) -> None:
    """Update the heap with a tile of N rows, whose scaled float32 scores are [Q, N]."""
    _native.update_topk(
        scores=scores,
        queries=queries.rows,
        rows=tile.rows,
        reach=queries.reach,
        lengths=tile.lengths,
        units=np.ldexp(1.0, queries.exponents + tile.exponent),
        first_row=tile.first_row,
        best_scores=heap.scores,
        best_ids=heap.ids,
        threads=threads,
    )
