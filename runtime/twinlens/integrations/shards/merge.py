"""Union of the hits of shards: those of one index over all rows, in its order.

An index ranks its rows by a float64 cosine that depends on nothing but the query and the row
(search/cosines.py), and of equal cosines puts the lower row first. A row of a shard has the same
cosine to the last bit; so the k best of all rows are among the k best of the shards, and sorting
these by (cosine, number of the row in all) gives the order of the whole.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twinlens.index.hits import Hits, RangeHits
from twinlens.integrations.shards.shard import ShardHits
from twinlens.search.cosines import reported

I64 = NDArray[np.int64]


def merge_topk(parts: Sequence[ShardHits], offsets: Sequence[int], k: int) -> Hits:
    """Return the k best hits of each query, or all of them if there are fewer.

    Args:
        parts: of each shard, [Q, K] with K up to k.
        offsets: rows of all shards before each.
        k: hits of a query.
    """
    rows, cosines = _rows(parts, offsets, axis=1), _cosines(parts, axis=1)
    order = np.lexsort((rows, -cosines), axis=1)[:, :k]
    of_query = np.arange(len(order))[:, None]
    return Hits(
        ids=_ids(parts, rows, axis=1)[of_query, order],
        cosines=reported(cosines[of_query, order]),
        rows=rows[of_query, order],
    )


def merge_ranges(parts: Sequence[ShardHits], offsets: Sequence[int]) -> RangeHits:
    """Return all hits of each query.

    Args:
        parts: of each shard, [M] with `starts`.
        offsets: rows of all shards before each.
    """
    rows, cosines = _rows(parts, offsets, axis=0), _cosines(parts, axis=0)
    counts = [np.diff(part.starts) for part in parts if part.starts is not None]
    of_query = np.concatenate([np.repeat(np.arange(len(count)), count) for count in counts])
    order = np.lexsort((rows, -cosines, of_query))
    starts = np.zeros(len(counts[0]) + 1, dtype=np.int64)
    np.cumsum(np.sum(counts, axis=0), out=starts[1:])
    return RangeHits(
        starts=starts,
        ids=_ids(parts, rows, axis=0)[order],
        cosines=reported(cosines[order]),
        rows=rows[order],
    )


def _rows(parts: Sequence[ShardHits], offsets: Sequence[int], *, axis: int) -> I64:
    shifted = [part.rows + offset for part, offset in zip(parts, offsets, strict=True)]
    return np.concatenate(shifted, axis=axis)


def _cosines(parts: Sequence[ShardHits], *, axis: int) -> NDArray[np.float64]:
    return np.concatenate([part.cosines for part in parts], axis=axis)


def _ids(parts: Sequence[ShardHits], rows: I64, *, axis: int) -> I64 | NDArray[np.object_]:
    """Return the ids beside the rows; the rows themselves where no shard has ids."""
    # A shard without rows has no kind of ids yet.
    given: list[NDArray[Any]] = [part.ids for part in parts if part.ids is not None]
    return np.concatenate(given, axis=axis) if given else rows
