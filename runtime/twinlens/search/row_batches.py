"""Which rows a search looks at, run by run."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

I64 = NDArray[np.int64]
Mask = NDArray[np.bool_]

_DENSE: Final = 2
"""Where at least one row in so many is allowed, all are looked at; else only those allowed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowBatch:
    """Some rows, looked at together."""

    rows: slice | I64
    """What indexes them."""
    allowed: Mask | None = None
    """[n], which of them may be found; None for all."""

    @property
    def n_rows(self) -> int:
        """How many there are."""
        if isinstance(self.rows, slice):
            return int(self.rows.stop - self.rows.start)
        return len(self.rows)

    def numbers(self, places: I64) -> I64:
        """The row numbers of places in this run."""
        if isinstance(self.rows, slice):
            return places + int(self.rows.start)
        return self.rows[places]

    def hopeful(self, pairs: Mask) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Places and queries of the True ones among [n, Q] pairs, as far as they are allowed."""
        places, of_query = np.divmod(np.flatnonzero(pairs), pairs.shape[1])
        if self.allowed is None:
            return places, of_query
        kept = self.allowed[places]
        return places[kept], of_query[kept]


@dataclass(frozen=True, slots=True, kw_only=True)
class RowBatches:
    """N rows, or those of them that are allowed."""

    n_rows: int
    allowed: Mask | None
    kept: I64 | None
    """The allowed rows, ascending; None for all."""

    @classmethod
    def of(cls, n_rows: int, allowed: Mask | None) -> Self:
        """All rows, or those that are True in allowed [N]."""
        kept = None if allowed is None else np.flatnonzero(allowed)
        return cls(n_rows=n_rows, allowed=allowed, kept=kept)

    def __len__(self) -> int:
        return self.n_rows if self.kept is None else len(self.kept)

    def first(self, wanted: int) -> RowBatch:
        """So many rows, or all if there are fewer."""
        n_first = min(wanted, len(self))
        return RowBatch(rows=slice(0, n_first) if self.kept is None else self.kept[:n_first])

    def rest(self, n_first: int, step: int) -> Iterator[RowBatch]:
        """The rows behind the first so many."""
        if self.kept is not None and len(self.kept) * _DENSE < self.n_rows:
            for start in range(n_first, len(self.kept), step):
                yield RowBatch(rows=self.kept[start : start + step])
            return
        behind = n_first if self.kept is None else int(self.kept[n_first - 1]) + 1
        for start in range(behind, self.n_rows, step):
            rows = slice(start, min(self.n_rows, start + step))
            yield RowBatch(rows=rows, allowed=None if self.allowed is None else self.allowed[rows])
