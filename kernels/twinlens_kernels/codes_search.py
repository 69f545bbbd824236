"""Searches of rows that are kept as codes alone: those of their dequantised rows."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twinlens_kernels import search
from twinlens_kernels.codes import Codes
from twinlens_kernels.compiled import NATIVE
from twinlens_kernels.encoding.dequantise import dequantise
from twinlens_kernels.range_hits import Ranges
from twinlens_kernels.tiled.corpus import tile_rows
from twinlens_kernels.tiled.operands import Tile
from twinlens_kernels.tiled.topk import tiled_topk, tiled_within
from twinlens_kernels.validation import (
    at_most_useful,
    require_allowed,
    require_finite_rows,
    require_floors,
    require_positive,
    require_rows,
    require_same_width,
)

if NATIVE:
    from twinlens_kernels import native

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
I64 = NDArray[np.int64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class DequantisedCorpus:
    """Tiles of the allowed rows, dequantised one at a time."""

    codes: Codes
    kept: I64 | None
    """Allowed row numbers, ascending; None for all rows."""

    @classmethod
    def allowed(cls, codes: Codes, allowed: Mask | None) -> "DequantisedCorpus":
        """Return the rows with True in allowed [N]; all rows without a filter."""
        return cls(codes=codes, kept=None if allowed is None else np.flatnonzero(allowed))

    def __len__(self) -> int:
        return len(self.codes) if self.kept is None else len(self.kept)

    def tiles(self) -> Iterator[Tile]:
        """Yield the allowed rows in order; `first_row` counts them from 0 without gaps."""
        step = tile_rows(len(self.codes.centre))
        for start in range(0, len(self), step):
            part = slice(start, min(start + step, len(self)))
            rows = dequantise(self.codes, part if self.kept is None else self.kept[part])
            yield Tile.prepare(rows, first_row=start)

    def row_numbers(self, positions: I64) -> I64:
        """Return the row numbers of positions among the allowed rows."""
        return positions if self.kept is None else self.kept[positions]


def topk(
    queries: F32, codes: Codes, k: int, *, allowed: Mask | None = None, threads: int = 1
) -> tuple[I64, F64]:
    """Return ids and inner products [Q, K] of the K best dequantised rows, best first.

    Exact, as `twinlens_kernels.topk` is over the rows of `dequantise`; no [N, D] matrix is made.

    Args:
        queries: [Q, D].
        codes: Codes with the bounds of `bounds_alone`.
        k: Number of hits of each query, at least 1.
        allowed: [N]; rows with False are ignored.
        threads: Number of threads.

    Raises:
        TypeError: queries is not a float32 array, or allowed is not a bool array.
        ValueError: The shapes do not fit, a number is out of range, or a query is not finite.
    """
    _require_operands(queries, codes, allowed, threads)
    require_positive("k", k)
    if search.is_native(len(codes.centre)):
        n_allowed = len(codes) if allowed is None else int(np.count_nonzero(allowed))
        return native.topk_alone(
            queries,
            native.codes_alone(codes, allowed),
            min(k, n_allowed),
            threads=at_most_useful(threads),
            path=search.PATH,
        )
    return tiled_topk(
        queries,
        DequantisedCorpus.allowed(codes, allowed),
        k,
        update_topk=search.update_topk,
        threads=at_most_useful(threads),
    )


def within(
    queries: F32, codes: Codes, floors: F64, *, allowed: Mask | None = None, threads: int = 1
) -> Ranges:
    """Return all dequantised rows with a score from the query's floor on, best first.

    Args:
        queries: [Q, D].
        codes: As for `topk`.
        floors: [Q]; minus infinity for all rows.
        allowed: As for `topk`.
        threads: As for `topk`.

    Raises:
        TypeError: As for `topk`, or floors is not a float64 array.
        ValueError: As for `topk`, or a floor is NaN.
    """
    _require_operands(queries, codes, allowed, threads)
    require_floors(floors, len(queries))
    if search.is_native(len(codes.centre)):
        return native.within_alone(
            queries,
            native.codes_alone(codes, allowed),
            floors,
            threads=at_most_useful(threads),
            path=search.PATH,
        )
    return tiled_within(queries, DequantisedCorpus.allowed(codes, allowed), floors)


def _require_operands(queries: F32, codes: Codes, allowed: Mask | None, threads: int) -> None:
    require_rows("queries", queries)
    require_same_width(queries, codes.centre[None])
    require_finite_rows("queries", queries)
    require_positive("threads", threads)
    if allowed is not None:
        require_allowed(allowed, len(codes))
