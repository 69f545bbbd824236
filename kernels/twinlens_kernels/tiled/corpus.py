"""Corpus of a search: all rows of a matrix, or the allowed ones."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from twinlens_kernels.tiled.operands import Tile

# A tile of 4 MiB is still in a shared cache when the product follows the norms of its rows.
_TILE_FLOATS = 2**20
_MIN_TILE_ROWS, _MAX_TILE_ROWS = 256, 8192


class Tiles(Protocol):
    """Rows of a search, tile by tile."""

    def __len__(self) -> int:
        """Return the number of rows."""

    def tiles(self) -> Iterator[Tile]:
        """Yield the rows in order; `first_row` counts them from 0 without gaps."""

    def row_numbers(self, positions: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the corpus row numbers of positions among the rows."""


def tile_rows(width: int) -> int:
    """Return the number of rows of a tile."""
    return int(np.clip(_TILE_FLOATS // width, _MIN_TILE_ROWS, _MAX_TILE_ROWS))


@dataclass(frozen=True, slots=True, kw_only=True)
class Corpus:
    """All rows of a matrix, or the allowed ones."""

    rows: NDArray[np.float32]
    """[N, D]"""
    kept: NDArray[np.intp] | None
    """Allowed row numbers, ascending; None for all rows."""

    @classmethod
    def allowed(cls, rows: NDArray[np.float32], allowed: NDArray[np.bool_] | None) -> Self:
        """Return the rows [N, D] with True in allowed [N]; all rows without a filter."""
        return cls(rows=rows, kept=None if allowed is None else np.flatnonzero(allowed))

    def __len__(self) -> int:
        return len(self.rows) if self.kept is None else len(self.kept)

    def tiles(self) -> Iterator[Tile]:
        """Yield the allowed rows in order; `first_row` counts them from 0 without gaps."""
        step = tile_rows(self.rows.shape[1])
        for start in range(0, len(self), step):
            part = slice(start, start + step)
            rows = self.rows[part if self.kept is None else self.kept[part]]
            yield Tile.prepare(np.ascontiguousarray(rows), first_row=start)

    def row_numbers(self, positions: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the corpus row numbers of positions among the allowed rows."""
        return positions if self.kept is None else self.kept[positions]
