"""Batches of the rows that a search screens."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

I64 = NDArray[np.int64]
Mask = NDArray[np.bool_]

_DENSE: Final = 2
"""With at least 1 allowed row in 2, all rows are screened; with fewer, only the allowed ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowBatch:
    """Rows that are screened together."""

    rows: slice | I64
    """[n], index of the rows."""
    allowed: Mask | None = None
    """[n], True for allowed rows; None if all are."""

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        if isinstance(self.rows, slice):
            return int(self.rows.stop - self.rows.start)
        return len(self.rows)

    def row_numbers(self, positions: I64) -> I64:
        """Return the row numbers of positions in this batch."""
        if isinstance(self.rows, slice):
            return positions + int(self.rows.start)
        return self.rows[positions]

    def allowed_pairs(self, pairs: Mask) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Return positions and queries of the True pairs [n, Q] with an allowed row."""
        positions, of_query = np.divmod(np.flatnonzero(pairs), pairs.shape[1])
        if self.allowed is None:
            return positions, of_query
        kept = self.allowed[positions]
        return positions[kept], of_query[kept]


@dataclass(frozen=True, slots=True, kw_only=True)
class RowBatches:
    """All of N rows, or the allowed ones."""

    n_rows: int
    allowed: Mask | None
    kept: I64 | None
    """Allowed row numbers, ascending; None for all."""

    @classmethod
    def of(cls, n_rows: int, allowed: Mask | None) -> Self:
        """Return all rows, or those with True in allowed [N]."""
        kept = None if allowed is None else np.flatnonzero(allowed)
        return cls(n_rows=n_rows, allowed=allowed, kept=kept)

    def __len__(self) -> int:
        return self.n_rows if self.kept is None else len(self.kept)

    def first(self, wanted: int) -> RowBatch:
        """Return the first `wanted` rows, or all if there are fewer."""
        n_first = min(wanted, len(self))
        return RowBatch(rows=slice(0, n_first) if self.kept is None else self.kept[:n_first])

    def rest(self, n_first: int, step: int) -> Iterator[RowBatch]:
        """Yield batches of the rows after the first `n_first`."""
        if self.kept is not None and len(self.kept) * _DENSE < self.n_rows:
            for start in range(n_first, len(self.kept), step):
                yield RowBatch(rows=self.kept[start : start + step])
            return
        following = n_first if self.kept is None else int(self.kept[n_first - 1]) + 1
        for start in range(following, self.n_rows, step):
            rows = slice(start, min(self.n_rows, start + step))
            yield RowBatch(rows=rows, allowed=None if self.allowed is None else self.allowed[rows])
