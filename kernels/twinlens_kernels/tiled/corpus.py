"""The rows that a search may find."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from twinlens_kernels.tiled.operands import Tile

# A tile of 4 MiB is still in a shared cache when the product follows the measuring of its rows.
_TILE_FLOATS = 2**20
_MIN_TILE_ROWS, _MAX_TILE_ROWS = 256, 8192


@dataclass(frozen=True, slots=True, kw_only=True)
class Corpus:
    """All rows of a matrix, or some of them."""

    rows: NDArray[np.float32]
    """[N, D]"""
    kept: NDArray[np.intp] | None
    """The rows to search in, ascending, or None for all of them."""

    @classmethod
    def allowed(cls, rows: NDArray[np.float32], allowed: NDArray[np.bool_] | None) -> Self:
        """The rows [N, D] that are True in allowed [N]; without it, all."""
        return cls(rows=rows, kept=None if allowed is None else np.flatnonzero(allowed))

    def __len__(self) -> int:
        return len(self.rows) if self.kept is None else len(self.kept)

    def tiles(self) -> Iterator[Tile]:
        """The searched rows in order; `first_row` counts them from 0 without gaps."""
        step = int(np.clip(_TILE_FLOATS // self.rows.shape[1], _MIN_TILE_ROWS, _MAX_TILE_ROWS))
        for start in range(0, len(self), step):
            part = slice(start, start + step)
            rows = self.rows[part if self.kept is None else self.kept[part]]
            yield Tile.prepare(np.ascontiguousarray(rows), first_row=start)

    def row_numbers(self, places: NDArray[np.int64]) -> NDArray[np.int64]:
        """The corpus rows that stand at these places among the searched ones."""
        return places if self.kept is None else self.kept[places]
