"""Estimates of the cosines of unit queries with rows of any float type, length and layout."""

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from twinlens_kernels.compiled import NATIVE
from twinlens_kernels.validation import at_most_useful

if NATIVE:
    from twinlens_kernels import _native

F32 = NDArray[np.float32]
Floats = NDArray[np.floating]
T = TypeVar("T", np.float32, np.float64)

_ROUNDOFF = 2.0**-24
_STORED_ROWS = 2.0**-22
"""More than the difference between the cosines of a row and of the row that scaling it to length 1
in float32 leaves, and the rounding of the estimate itself."""
# Squares of numbers in float32 neither under- nor overflow in rows of such squared lengths.
_SHORTEST, _LONGEST = 2.0**-60, 2.0**60


def estimate(queries: F32, rows: Floats, *, in_parts: bool, threads: int) -> F32:
    """Return estimates [N, Q] of the cosines of unit queries [Q, D] with rows [N, D].

    A row that is not finite, or too long or short for float32, has infinity.

    Args:
        queries: [Q, D].
        rows: [N, D], of any float type; converted unless `reads` them.
        in_parts: Use C++, which is fastest for a few queries; False for a matrix product.
        threads: Number of threads of the C++.
    """
    if in_parts:
        estimates = np.empty((len(rows), len(queries)), dtype=np.float32)
        n_threads = at_most_useful(threads)
        if rows.dtype.itemsize > 4:
            _native.estimate64(
                rows=_plain(rows, np.float64),
                queries=queries.astype(np.float64),
                estimates=estimates,
                threads=n_threads,
            )
        else:
            _native.estimate32(
                rows=_plain(rows, np.float32),
                queries=queries,
                estimates=estimates,
                threads=n_threads,
            )
        return estimates
    plain = _plain(rows, np.float32)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        squared = np.einsum("nd,nd->n", plain, plain)
        estimates = plain @ queries.T
        estimates /= np.sqrt(squared)[:, None]
    estimates[~((squared > _SHORTEST) & (squared < _LONGEST))] = np.inf
    return estimates


def estimate_error(width: int, *, in_parts: bool) -> float:
    """Return the most that an estimate differs from the cosine with the row scaled to length 1.

    A sum of D products in float32 is off by n u / (1 - n u) times |q| |x| (Higham, section 3.1), n
    the additions that a product goes through: D in any order, D / 32 + 40 in those of
    estimate_row.hpp. The length is off by half of that, and D u < 1/16 up to the widest rows.
    """
    additions = width / 32 + 40 if in_parts else width + 8
    return 1.7 * additions * _ROUNDOFF + _STORED_ROWS


def reads(rows: Floats) -> bool:
    """Return True if C++ reads these rows where they lie."""
    plain = rows.dtype in (np.dtype(np.float32), np.dtype(np.float64))
    return bool(plain and rows.flags.c_contiguous and rows.flags.aligned)


def _plain(rows: Floats, dtype: type[T]) -> NDArray[T]:
    """Return the rows in an array of this type as C++ reads it; the same one if it is so."""
    with np.errstate(over="ignore", invalid="ignore"):
        return np.require(rows, dtype=dtype, requirements=["C_CONTIGUOUS", "ALIGNED"])
