"""Rows that codes stand for, where the float32 rows themselves are not kept.

The row of codes n, and n2 of the residual, is centre + scale n + scale2 n2, in float64, rounded to
float32. dequantised_row.hpp computes the same bits.
"""

from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from twinlens_kernels.codes import ZERO, Codes

F32 = NDArray[np.float32]

_ROUNDED: Final = 2.0**-23
"""Twice the roundoff of float32: more than a rounded row of length 1 is off its sum."""
_SLACK: Final = 1 + 2.0**-20
"""Pays for the rounding of the terms' own sums."""
ERROR_SLACK: Final = 2.0**-21
"""More than the cosine of a unit row in float32 differs from the inner product over the query's
length (2**-23), and both are rounded to float32 (2**-24)."""


def dequantise(codes: Codes, rows: slice | NDArray[np.int64]) -> F32:
    """Return the rows [n, D] that the codes of these rows stand for."""
    width = len(codes.centre)
    terms = codes.terms[rows].astype(np.float64)
    found = codes.codes[rows, :width].astype(np.float64)
    found -= ZERO
    found *= terms[:, :1]
    found += codes.centre
    if codes.residual is not None:
        rest = codes.residual[rows, :width].astype(np.float64)
        rest -= ZERO
        rest *= terms[:, 3:4]
        found += rest
    return found.astype(np.float32)


def bounds_alone(codes: Codes) -> tuple[Codes, F32]:
    """Return codes with bounds for the rows they stand for, and how far these are off.

    The codes of unit rows [N, D] bound the scores of those rows. With the rows gone, a search is
    one of the dequantised rows, which the same codes hold up to the residual and a rounding.

    Returns:
        The codes, with other terms, and errors [N]: more than the inner product of a unit query
        with the dequantised row differs from its cosine with the row given.
    """
    terms = codes.terms.astype(np.float64)
    left = terms[:, -1].copy() if codes.residual is not None else terms[:, 1].copy()
    rounded = _ROUNDED * (1 + left)
    if codes.residual is None:
        terms[:, 1] = rounded
    else:
        # Its residual's length is below the sum of the remainders before and after it.
        terms[:, 1] = (terms[:, 1] + left) * _SLACK + rounded
        terms[:, 4] = rounded
    errors = left * _SLACK + ERROR_SLACK
    return replace(codes, terms=_up(terms)), _up(errors)


def sum_up(left: F32, right: F32) -> F32:
    """Return sums [N] of bounds, rounded up."""
    return _up(left.astype(np.float64) + right)


def _up(numbers: NDArray[np.float64]) -> F32:
    """Round up to float32; infinity where float32 ends."""
    with np.errstate(over="ignore"):
        nearest = numbers.astype(np.float32)
    return np.where(nearest < numbers, np.nextafter(nearest, np.float32(np.inf)), nearest)
