"""Searches of twinlens_kernels: argument checks, and the choice of an implementation."""

from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from twinlens_kernels.codes import Codes
from twinlens_kernels.compiled import NATIVE
from twinlens_kernels.encoding import numpy_encode
from twinlens_kernels.range_hits import Ranges
from twinlens_kernels.tiled.corpus import Corpus
from twinlens_kernels.tiled.exact_scores import score_pairs
from twinlens_kernels.tiled.topk import UpdateTopk, tiled_topk, tiled_within
from twinlens_kernels.validation import (
    at_most_useful,
    dtype_of,
    require_allowed,
    require_finite_rows,
    require_floors,
    require_positive,
    require_rows,
    require_same_width,
)

update_topk: UpdateTopk
if NATIVE:
    from twinlens_kernels import native
    from twinlens_kernels.tiled.update_native import update_topk
else:
    from twinlens_kernels.tiled.update_numpy import update_topk

PATH: Final[str] = native.PATHS[0] if NATIVE else "numpy"
"""Instruction set of the code kernels: amx, avx512vnni, avxvnni, avx2; neoni8mm, neondot, neon;
scalar, or numpy.
"""


def topk(  # noqa: PLR0913 - each is an independent wish
    queries: NDArray[np.float32],
    rows: NDArray[np.float32],
    k: int,
    *,
    codes: Codes | None = None,
    allowed: NDArray[np.bool_] | None = None,
    threads: int = 1,
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return ids and inner products [Q, K] of the K best corpus rows, best first.

    K is k, or the number of allowed rows if that is smaller. Exact: the order is that of the
    float64 scores of `reference.py`, and of equal scores the lower row comes first, for any finite
    queries [Q, D] and rows [N, D]. No [Q, N] matrix is allocated.

    Args:
        queries: [Q, D].
        rows: [N, D], possibly memory-mapped; with codes, only rows that may be hits are read and
            checked to be finite.
        k: Number of hits of each query, at least 1.
        codes: Codes of the same rows, by `encode`: the same result, several times faster.
        allowed: [N]; rows with False are ignored.
        threads: Number of threads; the matrix product without codes uses those of numpy's BLAS.

    Raises:
        TypeError: An operand is not a float32 array, or allowed is not a bool array.
        ValueError: The shapes do not fit, a number is out of range, or a row is not finite.
    """
    _require_operands(queries, rows, codes, allowed, threads)
    require_positive("k", k)
    coded = CodedRows.of(rows, codes)
    if coded is not None:
        require_finite_rows("queries", queries)
        return coded.topk(queries, k, allowed=allowed, threads=threads)
    return tiled_topk(
        queries,
        Corpus.allowed(rows, allowed),
        k,
        update_topk=update_topk,
        threads=at_most_useful(threads),
    )


_CODES_PER_THREAD: Final = 2**23
"""A second thread takes 40 us to start and to join; one scans so many codes for a query in 120 us
(EPYC, AVX-512 VNNI), and 8 queries cost as two."""


def is_native(width: int) -> bool:
    """Return True if C++ searches codes of rows of this width."""
    return NATIVE and width <= native.MAX_WIDTH


class CodedRows:
    """Rows [N, D] with their codes, passed to C++ once: in a small corpus that costs as a search.

    `topk` of it is that of this module for finite float32 queries [Q, D], which are not checked.
    """

    def __init__(self, rows: NDArray[np.float32], codes: Codes) -> None:
        self._rows, self._codes = rows, codes
        self._all = native.coded_corpus(rows, codes, None)
        self._mapped = native.is_mapped(rows)

    @classmethod
    def of(cls, rows: NDArray[np.float32], codes: Codes | None) -> Self | None:
        """Return the rows for C++; None where numpy searches them."""
        if codes is None or not is_native(rows.shape[1]):
            return None
        return cls(rows, codes)

    def topk(
        self,
        queries: NDArray[np.float32],
        k: int,
        *,
        allowed: NDArray[np.bool_] | None = None,
        threads: int = 1,
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return ids and inner products [Q, K] of the K best rows, best first."""
        coded, n_allowed = self._all, len(self._rows)
        if allowed is not None:
            coded = native.coded_corpus(self._rows, self._codes, allowed)
            n_allowed = int(np.count_nonzero(allowed))
        return native.topk(
            queries,
            coded,
            min(k, n_allowed),
            mapped=self._mapped,
            threads=at_most_useful(threads) if self._is_long(len(queries)) else 1,
            path=PATH,
        )

    def _is_long(self, n_queries: int) -> bool:
        """Return True if a search takes longer than it takes to start another thread."""
        return self._codes.codes.size * (1 + n_queries // 8) >= _CODES_PER_THREAD


def within(  # noqa: PLR0913 - each is an independent wish
    queries: NDArray[np.float32],
    rows: NDArray[np.float32],
    floors: NDArray[np.float64],
    *,
    codes: Codes | None = None,
    allowed: NDArray[np.bool_] | None = None,
    threads: int = 1,
) -> Ranges:
    """Return all rows with a float64 score (reference.py) from the query's floor on, best first.

    Args:
        queries: [Q, D].
        rows: [N, D], as for `topk`.
        floors: [Q]; minus infinity for all rows.
        codes: As for `topk`.
        allowed: As for `topk`.
        threads: As for `topk`.

    Raises:
        TypeError: An operand is not a float32 array, floors not float64, or allowed not bool.
        ValueError: The shapes do not fit, a floor is NaN, or a row is not finite.
    """
    _require_operands(queries, rows, codes, allowed, threads)
    require_floors(floors, len(queries))
    if codes is not None and is_native(rows.shape[1]):
        require_finite_rows("queries", queries)
        coded = native.coded_corpus(rows, codes, allowed)
        return native.within(queries, coded, floors, threads=at_most_useful(threads), path=PATH)
    return tiled_within(queries, Corpus.allowed(rows, allowed), floors)


def rescore(
    queries: NDArray[np.float32],
    rows: NDArray[np.float32],
    ids: NDArray[np.int64],
    *,
    threads: int = 1,
) -> NDArray[np.float64]:
    """Return the exact scores [Q, C] of given rows, as defined in `reference.py`.

    Args:
        queries: [Q, D].
        rows: [N, D], possibly memory-mapped; only the given rows are read.
        ids: [Q, C], row numbers from 0 to N - 1.
        threads: Number of threads.

    Raises:
        TypeError: An operand is not a float32 array, or ids is not an int64 array.
        ValueError: The shapes do not fit, or a query is not finite.
        IndexError: An id is no row.
    """
    _require_operands(queries, rows, None, None, threads)
    require_finite_rows("queries", queries)
    got = dtype_of(ids)
    if got != np.int64:
        raise TypeError(f"ids is {got}, wanted an int64 array")
    if ids.ndim != 2 or len(ids) != len(queries):
        raise ValueError(f"ids has shape {ids.shape}, wanted [{len(queries)}, C]: some a query")
    if ids.size and not 0 <= ids.min() <= ids.max() < len(rows):
        raise IndexError(f"ids run from {ids.min()} to {ids.max()}, wanted 0 to {len(rows) - 1}")
    if NATIVE:
        return native.rescore(queries, rows, ids, threads=at_most_useful(threads))
    of_query = np.repeat(np.arange(len(ids)), ids.shape[1])
    return score_pairs(queries, rows, of_query, ids.ravel()).reshape(ids.shape)


def squared_lengths(rows: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the exact score [N] of each row [N, D] with itself, as defined in `reference.py`.

    Raises:
        TypeError: rows is not a float32 array.
        ValueError: There are not two dimensions.
    """
    require_rows("rows", rows)
    if NATIVE:
        return native.squared_lengths(rows)
    own = np.arange(len(rows))
    return score_pairs(rows, rows, own, own)


def hit_cosines(  # noqa: PLR0913 - two limits beside the operands
    queries: NDArray[np.float32],
    rows: NDArray[np.float32],
    ids: NDArray[np.int64],
    scores: NDArray[np.float64],
    *,
    odd: float,
    margin: float,
    threads: int = 1,
) -> NDArray[np.int8] | None:
    """Turn exact scores [Q, K] of rows ids [Q, K] into cosines, in place; None without C++.

    All but the last column are brought into the order of the cosines, of equal ones the lower row
    first.

    Args:
        queries: [Q, D].
        rows: [N, D].
        ids: [Q, K], existing rows, best first by score; overwritten.
        scores: [Q, K]; overwritten.
        odd: Difference from 1 that no squared length of a unit row has.
        margin: Certain hits beat the last one of their query by more than this.
        threads: Number of threads.

    Returns:
        [Q]: 0 if a row or the query is no unit row, and ids and scores are left as they are; 2 if
        the hits but for the last are those of highest cosine for certain; else 1.
    """
    if not NATIVE:
        return None
    return native.hit_cosines(
        queries, rows, ids, scores, odd=odd, margin=margin, threads=at_most_useful(threads)
    )


def encode(
    rows: NDArray[np.float32],
    *,
    centre: NDArray[np.float32],
    residual: bool = False,
    threads: int = 1,
) -> Codes:
    """Encode rows [N, D] around a centre [D].

    Args:
        rows: [N, D], finite, of any norm.
        centre: [D]; the mean of the corpus (or of a sample of it) makes the codes fast.
        residual: Also encode the first codes' remainder: twice the memory, and a search reads
            almost no float32 row that is not a hit.
        threads: Number of threads.

    Raises:
        TypeError: rows or centre is not a float32 array.
        ValueError: The shapes do not fit, or a row is not finite; the message names it.
    """
    require_rows("rows", rows)
    if dtype_of(centre) != np.float32:
        raise TypeError(f"centre is {dtype_of(centre)}, wanted a float32 array; convert it")
    require_positive("threads", threads)
    if centre.shape != rows.shape[1:]:
        raise ValueError(f"centre has shape {centre.shape}, wanted {rows.shape[1:]} as a row")
    require_finite_rows("centre", centre[None])
    if NATIVE:
        return native.encode(
            rows, centre=centre, residual=residual, threads=at_most_useful(threads), path=PATH
        )
    return numpy_encode.encode(rows, centre=centre, residual=residual)


def _require_operands(
    queries: NDArray[np.float32],
    rows: NDArray[np.float32],
    codes: Codes | None,
    allowed: NDArray[np.bool_] | None,
    threads: int,
) -> None:
    require_rows("queries", queries)
    require_rows("corpus", rows)
    require_same_width(queries, rows)
    require_positive("threads", threads)
    if codes is not None and (len(codes), len(codes.centre)) != rows.shape:
        raise ValueError(
            f"codes are of {len(codes)} rows of width {len(codes.centre)}, but the corpus has "
            f"shape {rows.shape}; encode it again"
        )
    if allowed is not None:
        require_allowed(allowed, len(rows))
