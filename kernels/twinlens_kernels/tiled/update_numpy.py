"""Sift a tile of float32 scores in numpy: the implementation where nothing was compiled."""

import numpy as np
from numpy.typing import NDArray

from twinlens_kernels.tiled.exact_scores import score_pairs
from twinlens_kernels.tiled.operands import Queries, Tile
from twinlens_kernels.tiled.topk_heap import Best

# With more candidates a hit than this, finding a higher floor is cheaper than rescoring them.
_CROWD = 2


def sift(
    scores: NDArray[np.float32], queries: Queries, tile: Tile, best: Best, *, threads: int
) -> None:
    """Bring `best` up to date with a tile whose scaled scores are [Q, N]; runs on one thread.

    Tiles must come in row order: that alone breaks ties.
    """
    del threads
    units = np.ldexp(1.0, queries.exponents + tile.exponent)
    margins = np.multiply.outer(queries.reach, tile.lengths)
    floors = best.floors(units)
    candidates = scores + margins >= floors[:, None]

    hits, n_rows = best.ids.shape[1], len(tile.rows)
    crowded = np.count_nonzero(candidates, axis=1) > _CROWD * hits
    if n_rows > hits and crowded.any():
        # At least `hits` rows of this very tile score no less than the floor found here.
        lower = scores[crowded] - margins[crowded]
        raised = np.partition(lower, n_rows - hits, axis=1)[:, n_rows - hits]
        upper = scores[crowded] + margins[crowded]
        candidates[crowded] &= upper >= raised[:, None]

    of_query, of_row = np.nonzero(candidates)
    if of_query.size:
        rescored = score_pairs(queries.rows, tile.rows, of_query, of_row)
        _merge(best, of_query, tile.first_row + of_row, rescored)


def _merge(
    best: Best,
    of_query: NDArray[np.intp],
    ids: NDArray[np.int64],
    scores: NDArray[np.float64],
) -> None:
    """Let the rescored pairs [P], in order of query and id, compete with the best so far."""
    touched, firsts, counts = np.unique(of_query, return_index=True, return_counts=True)
    hits, most = best.ids.shape[1], int(counts.max())
    # Worst first: newcomers from the highest row down, then the best so far (lower rows, sorted
    # worst first). A stable sort by score alone then leaves the higher of tied rows in front.
    slot = np.repeat(np.arange(len(touched)), counts)
    place = most - 1 - (np.arange(len(scores)) - np.repeat(firsts, counts))
    all_scores = np.full((len(touched), most + hits), -np.inf)
    all_ids = np.zeros((len(touched), most + hits), dtype=np.int64)
    all_scores[slot, place], all_ids[slot, place] = scores, ids
    all_scores[:, most:], all_ids[:, most:] = best.scores[touched], best.ids[touched]
    winners = np.argsort(all_scores, axis=1, kind="stable")[:, most:]
    best.scores[touched] = np.take_along_axis(all_scores, winners, axis=1)
    best.ids[touched] = np.take_along_axis(all_ids, winners, axis=1)
