"""Search engine of codes alone: exact over the rows that they stand for."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from twinlens.errors import IndexFileError
from twinlens_kernels import Codes, Ranges, codes_search

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
I64 = NDArray[np.int64]
Mask = NDArray[np.bool_]


class CodesEngine:
    """`SearchEngine` of the dequantised rows of an index without float32 rows."""

    def __init__(self, codes: Codes, errors: F32) -> None:
        """Search the rows of codes [N] whose cosines are off by errors [N] at most."""
        self._codes, self._errors = codes, errors
        self._largest: float | None = None

    @property
    def largest_error(self) -> float:
        """The largest error of all rows; read at the first use, by any thread that comes first."""
        if self._largest is None:
            self._largest = float(self._errors.max(initial=0))
        return self._largest

    def topk(
        self, queries: F32, k: int, *, allowed: Mask | None = None, threads: int = 1
    ) -> tuple[I64, F64]:
        """Return ids and scores [Q, K] as every `SearchEngine` does, of the dequantised rows.

        Raises:
            IndexFileError: a row is damaged.
        """
        with _damage_told():
            ids, scores = codes_search.topk(
                queries, self._codes, k, allowed=allowed, threads=threads
            )
        _require_scores(ids, scores)
        return ids, scores

    def within(
        self, queries: F32, floors: F64, *, allowed: Mask | None = None, threads: int = 1
    ) -> Ranges:
        """Return all dequantised rows whose score reaches the floor [Q] of its query.

        Raises:
            IndexFileError: a row is damaged.
        """
        with _damage_told():
            found = codes_search.within(
                queries, self._codes, floors, allowed=allowed, threads=threads
            )
        _require_scores(found.ids, found.scores)
        return found


@contextmanager
def _damage_told() -> Iterator[None]:
    """Name the index where numpy refuses a row: the queries of an index are finite."""
    try:
        yield
    except ValueError as error:
        raise IndexFileError(
            f"the codes of the index are damaged: {error}; call verify, and build the index again"
        ) from error


def _require_scores(ids: I64, scores: F64) -> None:
    if scores.size and not np.isfinite(scores).all():
        raise IndexFileError(
            f"row {ids[~np.isfinite(scores)][0]} of the index is damaged: its score is not finite; "
            "call verify, and build the index again"
        )
