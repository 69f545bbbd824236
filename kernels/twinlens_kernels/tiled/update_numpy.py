"""Update of the top-k by a tile of scores, in numpy: used without the compiled module."""

import numpy as np
from numpy.typing import NDArray

from twinlens_kernels.tiled.exact_scores import score_pairs
from twinlens_kernels.tiled.operands import Queries, Tile
from twinlens_kernels.tiled.topk_heap import TopkHeap

# With more candidates a hit than this, finding a higher threshold is cheaper than rescoring them.
_CANDIDATES_PER_HIT = 2


def update_topk(
    scores: NDArray[np.float32], queries: Queries, tile: Tile, heap: TopkHeap, *, threads: int
) -> None:
    """Update the heap with a tile of N rows, whose scaled float32 scores are [Q, N].

    Runs on one thread. Tiles must come in row order: only this breaks ties by the lower row.
    """
    del threads
    units = np.ldexp(1.0, queries.exponents + tile.exponent)
    margins = np.multiply.outer(queries.reach, tile.lengths)
    candidates = scores + margins >= heap.thresholds(units)[:, None]

    hits, n_rows = heap.ids.shape[1], len(tile.rows)
    crowded = np.count_nonzero(candidates, axis=1) > _CANDIDATES_PER_HIT * hits
    if n_rows > hits and crowded.any():
        # At least `hits` rows of this very tile score no less than the threshold found here.
        lower = scores[crowded] - margins[crowded]
        raised = np.partition(lower, n_rows - hits, axis=1)[:, n_rows - hits]
        upper = scores[crowded] + margins[crowded]
        candidates[crowded] &= upper >= raised[:, None]

    of_query, of_row = np.nonzero(candidates)
    if of_query.size:
        rescored = score_pairs(queries.rows, tile.rows, of_query, of_row)
        _merge(heap, of_query, tile.first_row + of_row, rescored)


def _merge(
    heap: TopkHeap,
    of_query: NDArray[np.intp],
    ids: NDArray[np.int64],
    scores: NDArray[np.float64],
) -> None:
    """Merge rescored pairs [P], in order of query and id, into the heap."""
    touched, firsts, counts = np.unique(of_query, return_index=True, return_counts=True)
    hits, most = heap.ids.shape[1], int(counts.max())
    # Worst first: new rows from the highest row down, then those of the heap (lower rows, sorted
    # worst first). A stable sort by score alone then leaves the higher of tied rows in front.
    slot = np.repeat(np.arange(len(touched)), counts)
    column = most - 1 - (np.arange(len(scores)) - np.repeat(firsts, counts))
    all_scores = np.full((len(touched), most + hits), -np.inf)
    all_ids = np.zeros((len(touched), most + hits), dtype=np.int64)
    all_scores[slot, column], all_ids[slot, column] = scores, ids
    all_scores[:, most:], all_ids[:, most:] = heap.scores[touched], heap.ids[touched]
    winners = np.argsort(all_scores, axis=1, kind="stable")[:, most:]
    heap.scores[touched] = np.take_along_axis(all_scores, winners, axis=1)
    heap.ids[touched] = np.take_along_axis(all_ids, winners, axis=1)
