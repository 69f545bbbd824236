"""Operands of a float32 matrix product, each with the terms of its rounding error bound.

Write q, x for a query and a corpus row, u = 2**-24, and s for the score of `reference.py`. The
float32 product c, summed by any BLAS in any order, with or without fused multiply-add, obeys

    |c - s| <= (D u / (1 - D u) + 2**-40) |q| |x|  +  underflow       (Higham, section 3.1)

where 2**-40 covers the rounding of s itself. Three steps turn it into a bound that is computed in
float32 and holds for every finite input:

* Scaling. Queries are scaled by a power of two to a largest component in [0.5, 1), and so is a
  tile of corpus rows unless its longest row has a length in [2**-30, 2**30] already. So nothing
  overflows. Scaling back is exact.
* Underflow. A product, a sum or the scaling loses less than 2**-93 a component to underflow, even
  where a BLAS flushes subnormal numbers to zero: at most D 2**-93 in all. Squares lost to it
  shorten a computed length by less than sqrt(D) 2**-62.
* Lengths. A float32 length of D <= 2**20 components falls short by less than 7 %. So with

      reach  = 1.25 (D + 16) u |q|            (|q| in float64, rounded up)
      length = float32 length of x + D 2**-60

  the margin reach * length covers all of the above, and at least 8 u |q| |x| is left over for the
  float32 rounding of `c + margin` and `c - margin`. (Where D 2**-60 is itself rounded away, the
  length exceeds D 2**-36, and the rest of the margin is far above the underflow it stood for.)
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from twinlens_kernels.validation import require_finite_rows

_UNIT_ROUNDOFF = 2.0**-24
_SHORTEST_SQUARED, _LONGEST_SQUARED = 2.0**-60, 2.0**60


@dataclass(frozen=True, slots=True, kw_only=True)
class Queries:
    """Query rows, scaled for a float32 product."""

    rows: NDArray[np.float32]
    """[Q, D], as given."""
    scaled: NDArray[np.float32]
    """[Q, D], each row times 2**-exponent."""
    exponents: NDArray[np.intc]
    """[Q]"""
    reach: NDArray[np.float32]
    """[Q], error of a scaled score per unit of corpus row length."""

    @classmethod
    def prepare(cls, rows: NDArray[np.float32]) -> Self:
        """Scale finite rows [Q, D] and compute their error terms."""
        exponents = np.frexp(np.abs(rows).max(axis=1))[1]
        scaled = np.ldexp(rows, -exponents[:, None])
        lengths = np.linalg.norm(scaled.astype(np.float64), axis=1)
        reach = (1.25 * (rows.shape[1] + 16) * _UNIT_ROUNDOFF) * lengths
        up = np.nextafter(reach.astype(np.float32), np.float32(np.inf))
        return cls(rows=rows, scaled=scaled, exponents=exponents, reach=up)

    def block(self, start: int, stop: int) -> Self:
        """Return a view of the queries start:stop."""
        part = slice(start, stop)
        return type(self)(
            rows=self.rows[part],
            scaled=self.scaled[part],
            exponents=self.exponents[part],
            reach=self.reach[part],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """Neighbouring corpus rows, scaled for a float32 product."""

    first_row: int
    """Position of the tile's row 0 in the corpus."""
    rows: NDArray[np.float32]
    """[N, D], as given, contiguous."""
    scaled: NDArray[np.float32]
    """[N, D], times 2**-exponent."""
    exponent: int
    lengths: NDArray[np.float32]
    """[N], of the scaled rows; see the top of this file."""

    @classmethod
    def prepare(cls, rows: NDArray[np.float32], *, first_row: int) -> Self:
        """Scale rows [N, D] and compute their lengths.

        Raises:
            ValueError: a row holds NaN or infinity; the message names it.
        """
        scaled, exponent = rows, 0
        squared = _squared_lengths(rows)
        if not _SHORTEST_SQUARED <= squared.max() <= _LONGEST_SQUARED:
            require_finite_rows("corpus", rows, first_row=first_row)
            exponent = int(np.frexp(np.abs(rows).max())[1])
            scaled = np.ldexp(rows, -exponent)
            squared = _squared_lengths(scaled)
        lengths = np.sqrt(squared) + np.float32(rows.shape[1] * 2.0**-60)
        return cls(
            first_row=first_row, rows=rows, scaled=scaled, exponent=exponent, lengths=lengths
        )


def _squared_lengths(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    # Overflow or NaN is expected here: it sends the tile down the scaled path.
    with np.errstate(over="ignore", invalid="ignore"):
        squared: NDArray[np.float32] = np.einsum("nd,nd->n", rows, rows)
    return squared
