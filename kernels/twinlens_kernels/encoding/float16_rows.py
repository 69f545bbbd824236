"""Rows in half precision, with error bounds of every score computed from them.

A matrix of rows x is scaled by one power of two to x', its longest row shorter than 2**6; a query q
likewise to q'. Then both are rounded to float16, y = half(x') and p = half(q'); subnormal float16
numbers become zero. So no score overflows, no subnormal number enters, and

    <q', x'> - <p, y>  =  <q' - p, x'> + <p, x' - y>  <=  |q' - p| |x'| + |p| |x' - y|

for any rows. A device then computes c for <p, y>. The only assumption: it adds the exact products
in float32 or better, in any order, each addition off by at most 2**-22 of |p| |y| (matrix units
truncate instead of rounding), and rounds at most 8 of its sums to float16: the last, and partial
sums. Each of these costs 2**-11 of |p| |y|, or 2**-14 where the sum is too small for that. So

    |c - <q', x'>|  <=  |q' - p| |x'| + |p| |x' - y| + (D 2**-22 + 2**-8) |p| |y| + 2**-11

The search checks this bound on every score that it rescores, and rejects a device that breaks it.
Both norms of the rows are the largest of the whole matrix, so one margin serves all its rows.
"""

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from twinlens_kernels.validation import require_finite_rows

F16 = NDArray[np.float16]

_LENGTH_BITS: Final = 6
_SMALLEST_NORMAL: Final = np.float16(2.0**-14)
# Rows rounded at once: their float32 differences stay in the cache.
_CHUNK_NUMBERS: Final = 2**18
# A sum of squares outside these may have overflowed, or lost much to underflow.
_SHORTEST_SQUARED, _LONGEST_SQUARED = 2.0**-60, 2.0**60
_ADDITION, _SUMS, _LOST_SUMS = 2.0**-22, 2.0**-8, 2.0**-11
# Covers the float64 arithmetic of a margin, and the rounding of the reference's score.
_SLACK: Final = 1 + 2.0**-20


@dataclass(frozen=True, slots=True, kw_only=True)
class HalfBounds:
    """Scale and rounding error of a matrix in float16."""

    exponent: int
    """Scale of the rows: 2**-exponent."""
    length: float
    """Upper bound of the norm of a scaled row."""
    error: float
    """Upper bound of the norm of a scaled row's rounding error."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HalfQueries:
    """Queries in half precision, each scaled by its own power of two."""

    halves: F16
    """[Q, D]"""
    exponents: NDArray[np.intc]
    """[Q]"""
    lengths: NDArray[np.float64]
    """[Q], norms of the halves."""
    errors: NDArray[np.float64]
    """[Q], norms of the rounding errors of the scaled queries."""

    @classmethod
    def of(cls, queries: NDArray[np.float32]) -> Self:
        """Scale and round finite queries [Q, D]."""
        wide = queries.astype(np.float64)
        exponents = np.frexp(np.linalg.norm(wide, axis=1))[1] - _LENGTH_BITS
        scaled = np.ldexp(wide, -exponents[:, None])
        halves = _halves(scaled)
        rounded = halves.astype(np.float64)
        return cls(
            halves=halves,
            exponents=exponents,
            lengths=np.linalg.norm(rounded, axis=1),
            errors=np.linalg.norm(scaled - rounded, axis=1),
        )

    def __len__(self) -> int:
        return len(self.halves)

    def block(self, part: slice) -> Self:
        """Return a view of some queries."""
        return type(self)(
            halves=self.halves[part],
            exponents=self.exponents[part],
            lengths=self.lengths[part],
            errors=self.errors[part],
        )

    def units(self, rows: HalfBounds) -> NDArray[np.float64]:
        """Return the value [Q] of a score of 1 between halves: a power of two."""
        units: NDArray[np.float64] = np.ldexp(1.0, self.exponents + rows.exponent)
        return units

    def margins(self, rows: HalfBounds) -> NDArray[np.float64]:
        """Return the largest error [Q] of a score between halves, in the scaled units."""
        summing = self.halves.shape[1] * _ADDITION + _SUMS
        margins: NDArray[np.float64] = self.errors * rows.length + self.lengths * rows.error
        margins += summing * self.lengths * (rows.length + rows.error) + _LOST_SUMS
        return margins * _SLACK


def to_halves(
    rows: NDArray[np.float32], *, first_row: int = 0, out: F16 | None = None
) -> tuple[F16, HalfBounds]:
    """Round float32 rows to halves [N, D], with their error bounds.

    Args:
        rows: [N, D].
        first_row: number of the first row, for error messages.
        out: [N, D], target of the halves; None for a new array.

    Raises:
        ValueError: a row is not finite; the message names it.
    """
    halves = np.empty(rows.shape, dtype=np.float16) if out is None else out
    step = max(1, _CHUNK_NUMBERS // rows.shape[1])
    parts = [slice(start, start + step) for start in range(0, len(rows), step)]
    longest = max((_longest(rows[part], first_row + part.start) for part in parts), default=0.0)
    exponent = int(np.frexp(longest)[1]) - _LENGTH_BITS
    error = 0.0
    for part in parts:
        scaled = np.ldexp(rows[part], -exponent)
        halves[part] = _halves(scaled)
        # Exact: a float32 number less its nearest half is a float32 number.
        error = max(error, _longest(scaled - halves[part].astype(np.float32), first_row))
    # Scaling itself loses less than 2**-149 a number to underflow.
    lost = rows.shape[1] * 2.0**-149
    return halves, HalfBounds(
        exponent=exponent, length=float(np.ldexp(longest, -exponent)), error=error + lost
    )


def _halves(scaled: NDArray[np.floating]) -> F16:
    halves = scaled.astype(np.float16)
    halves[np.abs(halves) < _SMALLEST_NORMAL] = 0
    return halves


def _longest(rows: NDArray[np.float32], first_row: int) -> float:
    """Return an upper bound of the norms of rows [N, D], N > 0."""
    # Overflow or NaN is expected here: it sends the rows down the float64 path.
    with np.errstate(over="ignore", invalid="ignore"):
        squared = np.einsum("nd,nd->n", rows, rows).max()
    if not _SHORTEST_SQUARED <= squared <= _LONGEST_SQUARED:
        require_finite_rows("rows", rows, first_row=first_row)
        squared = np.square(rows, dtype=np.float64).sum(axis=1).max()
    # D + 1 roundings of a sum, halved by the root; lost to underflow is less than the last term.
    slack = 1 + (rows.shape[1] + 16) * 2.0**-24
    return float(np.sqrt(float(squared)) * slack)
