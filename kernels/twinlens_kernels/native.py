"""Search by codes in C++; importing this needs the compiled module.

`path` names one of `PATHS`; empty means the best of them. All give the same result.
"""

from collections.abc import Callable
from functools import partial
from mmap import mmap
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from twinlens_kernels import _native
from twinlens_kernels.codes import Codes, aligned_empty, padded_width
from twinlens_kernels.range_hits import Ranges
from twinlens_kernels.validation import require_finite_rows

PATHS: Final = tuple(_native.paths())
"""Instruction sets of the kernels that run on this processor, best first."""
MAX_WIDTH: Final = 2**16
"""Largest row width: sums of products of wider codes could overflow int32."""
T = TypeVar("T", bound=np.generic)


def topk(  # noqa: PLR0913 - as the C++ takes them
    queries: NDArray[np.float32],
    coded: _native.Coded,
    hits: int,
    *,
    mapped: bool = False,
    threads: int = 1,
    path: str = "",
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return ids and exact scores [Q, K] of the K = hits best rows; at least K rows are allowed."""
    search = partial(_native.topk, coded=coded, mapped=mapped, threads=threads, path=path)
    return _hits(search, queries, hits)


def within(
    queries: NDArray[np.float32],
    coded: _native.Coded,
    floors: NDArray[np.float64],
    *,
    threads: int = 1,
    path: str = "",
) -> Ranges:
    """Return the rows with an exact score of at least the floors [Q]."""
    search = partial(_native.within, coded=coded, threads=threads, path=path)
    return _ranges(search, queries, floors)


def codes_alone(codes: Codes, allowed: NDArray[np.bool_] | None) -> _native.CodesAlone:
    """Pass codes [N, P] without rows, and a filter, to C++."""
    return _native.CodesAlone(
        codes=_readable(codes.codes),
        residual=None if codes.residual is None else _readable(codes.residual),
        terms=_readable(codes.terms),
        centre=_readable(codes.centre),
        allowed=None if allowed is None else _readable(allowed),
    )


def topk_alone(
    queries: NDArray[np.float32],
    alone: _native.CodesAlone,
    hits: int,
    *,
    threads: int = 1,
    path: str = "",
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return ids and scores [Q, K] of the K = hits best dequantised rows of at least K."""
    search = partial(_native.topk_alone, alone=alone, threads=threads, path=path)
    return _hits(search, queries, hits)


def within_alone(
    queries: NDArray[np.float32],
    alone: _native.CodesAlone,
    floors: NDArray[np.float64],
    *,
    threads: int = 1,
    path: str = "",
) -> Ranges:
    """Return the dequantised rows with an exact score of at least the floors [Q]."""
    search = partial(_native.within_alone, alone=alone, threads=threads, path=path)
    return _ranges(search, queries, floors)


def _hits(
    search: Callable[..., None], queries: NDArray[np.float32], hits: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the ids and scores [Q, K] that a search writes; it is not asked for none."""
    ids = np.empty((len(queries), hits), dtype=np.int64)
    scores = np.empty((len(queries), hits))
    if ids.size:
        search(queries=_readable(queries), ids=ids, scores=scores)
    return ids, scores


def _ranges(
    search: Callable[..., tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]],
    queries: NDArray[np.float32],
    floors: NDArray[np.float64],
) -> Ranges:
    """Return the hits of a range search by query; without queries nothing is searched."""
    if not len(queries):
        empty = np.empty(0, dtype=np.int64)
        return Ranges.from_pairs(empty, empty, np.empty(0), n_queries=0)
    of_query, ids, scores = search(queries=_readable(queries), floors=_readable(floors))
    return Ranges.from_pairs(of_query, ids, scores, n_queries=len(queries))


def rescore(
    queries: NDArray[np.float32],
    rows: NDArray[np.float32],
    ids: NDArray[np.int64],
    *,
    threads: int = 1,
) -> NDArray[np.float64]:
    """Return the exact scores [Q, C] of existing rows."""
    scores = np.empty(ids.shape)
    _native.rescore(
        queries=_readable(queries),
        rows=_readable(rows),
        ids=_readable(ids),
        scores=scores,
        threads=threads,
    )
    return scores


def squared_lengths(rows: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the exact score [N] of each row with itself."""
    rows, scores = _readable(rows), np.empty((len(rows), 1))
    own = np.arange(len(rows))[:, None]
    _native.rescore(queries=rows, rows=rows, ids=own, scores=scores, threads=1)
    return scores[:, 0]


def hit_cosines(  # noqa: PLR0913 - as the C++ takes them
    queries: NDArray[np.float32],
    rows: NDArray[np.float32],
    ids: NDArray[np.int64],
    scores: NDArray[np.float64],
    *,
    odd: float,
    margin: float,
    threads: int = 1,
) -> NDArray[np.int8]:
    """Turn exact scores [Q, K] of rows ids [Q, K] into cosines; states [Q] of hit_cosines.hpp."""
    states = np.empty(len(ids), dtype=np.int8)
    _native.hit_cosines(
        queries=_readable(queries),
        rows=_readable(rows),
        ids=_readable(ids),
        scores=scores,
        states=states,
        odd=odd,
        margin=margin,
        threads=threads,
    )
    return states


def encode(
    rows: NDArray[np.float32],
    *,
    centre: NDArray[np.float32],
    residual: bool = False,
    threads: int = 1,
    path: str = "",
) -> Codes:
    """Encode rows as `twinlens_kernels.encode`; checks only that they are finite."""
    shape = len(rows), padded_width(rows.shape[1])
    codes = aligned_empty(shape, np.dtype(np.uint8))
    second = aligned_empty(shape, np.dtype(np.uint8)) if residual else None
    terms = np.empty((len(rows), 5 if residual else 3), dtype=np.float32)
    bad = _native.encode(
        rows=_readable(rows),
        centre=_readable(centre),
        codes=codes,
        residual=second,
        terms=terms,
        threads=threads,
        path=path,
    )
    if bad >= 0:
        require_finite_rows("rows", rows[bad : bad + 1], first_row=bad)
    return Codes(codes=codes, terms=terms, centre=centre, residual=second)


def coded_corpus(
    rows: NDArray[np.float32], codes: Codes, allowed: NDArray[np.bool_] | None
) -> _native.Coded:
    """Pass rows [N, D], their codes and a filter to C++."""
    return _native.Coded(
        rows=_readable(rows),
        codes=_readable(codes.codes),
        residual=None if codes.residual is None else _readable(codes.residual),
        terms=_readable(codes.terms),
        centre=_readable(codes.centre),
        allowed=None if allowed is None else _readable(allowed),
    )


def is_mapped(array: NDArray[np.float32]) -> bool:
    """Return True if an array is a view of a memory-mapped file."""
    owner: object = array
    while isinstance(owner, np.ndarray):
        owner = owner.base
    return isinstance(owner, mmap)


def _readable(array: NDArray[T]) -> NDArray[T]:
    """Return a contiguous and aligned array; copies only where the given one is not."""
    if array.flags.c_contiguous and array.flags.aligned:
        return array
    return np.require(array, requirements=["C_CONTIGUOUS", "ALIGNED"])
