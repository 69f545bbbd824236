"""Rows that are read back from an index: checked copies, which no later change reaches."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from twinlens.index.arrays.mapped_array import read_ahead
from twinlens.index.blocks import RowBlock
from twinlens.index.coded.rows import coded_rows
from twinlens.index.ids import read_ids
from twinlens.index.snapshot import Snapshot
from twinlens.search.cosines import require_unit_rows
from twinlens_kernels import squared_lengths

_CHECKED_NUMBERS = 2**21


def live_numbers(snapshot: Snapshot) -> NDArray[np.int64]:
    """Return the numbers [n] of the rows that were not removed, ascending."""
    return np.arange(len(snapshot)) if snapshot.live is None else np.flatnonzero(snapshot.live)


def rows_at(snapshot: Snapshot, numbers: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return a copy [n, D] of the rows with these numbers [n], dequantised from codes alone.

    Raises:
        IndexFileError: a file was cut, or a row is damaged.
    """
    rows = np.empty((len(numbers), snapshot.layout.width), dtype=np.float32)
    step = max(1, _CHECKED_NUMBERS // snapshot.layout.width)
    for start in range(0, len(numbers), step):
        part = slice(start, start + step)
        if snapshot.layout.codes_only:
            rows[part] = coded_rows(snapshot, numbers[part])
            continue
        snapshot.rows.take(numbers[part], 0, rows[part], "clip")
        require_unit_rows(numbers[part], squared_lengths(rows[part]))
    return rows


def numbered_blocks(
    snapshot: Snapshot, *, size: int
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
    """Yield the numbers [n] and copies [n, D] of the live rows, at most `size` at a time.

    Without live rows, one block has none: it still tells the width.

    Raises:
        IndexFileError: a file was cut, or a row is damaged.
    """
    if not snapshot.n_live:
        yield np.empty(0, dtype=np.int64), rows_at(snapshot, np.empty(0, dtype=np.int64))
    held = "codes" if snapshot.layout.codes_only else "rows"
    for start in range(0, len(snapshot), size):
        stop = min(start + size, len(snapshot))
        numbers = np.arange(start, stop)
        if snapshot.live is not None:
            numbers = numbers[snapshot.live[start:stop]]
        if len(numbers):
            snapshot.require_whole()
            read_ahead(snapshot.sections[held][start:stop])
            yield numbers, rows_at(snapshot, numbers)


def live_blocks(snapshot: Snapshot, *, size: int) -> Iterator[RowBlock]:
    """Yield the live rows with the ids of the index, if it has any, at most `size` at a time.

    Raises:
        IndexFileError: a file was cut, or a row or an id is damaged.
    """
    has_ids = snapshot.layout.ids != "none"
    for numbers, rows in numbered_blocks(snapshot, size=size):
        ids = snapshot.ids_at(numbers) if has_ids else None
        yield RowBlock(
            rows=rows,
            ids=None if ids is None else read_ids(ids),
            errors=snapshot.errors[numbers] if snapshot.layout.codes_only else None,
        )
