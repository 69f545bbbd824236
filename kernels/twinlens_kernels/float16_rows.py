"""Rows in half precision, with what bounds the error of every score made from them.

A matrix of rows x is scaled by one power of two to x', its longest row shorter than 2**6; a query q
likewise to q'. Then both are rounded to float16, y = half(x') and p = half(q'), and what falls
below float16's normal numbers becomes zero. So no score overflows, no subnormal number enters, and

    <q', x'> - <p, y>  =  <q' - p, x'> + <p, x' - y>  <=  |q' - p| |x'| + |p| |x' - y|

whatever the rows. A device then computes c for <p, y>. Taken for granted is only this: it adds the
exact products in float32 or better, in any order, each addition off by at most 2**-22 of |p| |y|
(matrix units cut what they should round), and rounds at most 8 of its sums to float16: the last,
and those of parts that it reckons apart. Each of these costs 2**-11 of |p| |y|, or 2**-14 where
the sum is too small for that. So

    |c - <q', x'>|  <=  |q' - p| |x'| + |p| |x' - y| + (D 2**-22 + 2**-8) |p| |y| + 2**-11

The search compares that with every score it rescores, and does not trust a device that breaks it.
Both lengths of the rows are the largest of the whole matrix, so one margin serves all its rows.
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
# Pays for the float64 arithmetic of a margin, and for the rounding of the reference's score.
_SLACK: Final = 1 + 2.0**-20


@dataclass(frozen=True, slots=True, kw_only=True)
class HalfBounds:
    """What halves of a matrix lost."""

    exponent: int
    """The rows were scaled by 2**-exponent."""
    length: float
    """No scaled row is longer."""
    left: float
    """No scaled row is farther from its half."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HalfQueries:
    """Queries in half precision, each scaled by a power of two of its own."""

    halves: F16
    """[Q, D]"""
    exponents: NDArray[np.intc]
    """[Q]"""
    lengths: NDArray[np.float64]
    """[Q], of the halves."""
    left: NDArray[np.float64]
    """[Q], distances of the scaled queries from their halves."""

    @classmethod
    def of(cls, queries: NDArray[np.float32]) -> Self:
        """Scale and round finite [Q, D]."""
        wide = queries.astype(np.float64)
        exponents = np.frexp(np.linalg.norm(wide, axis=1))[1] - _LENGTH_BITS
        scaled = np.ldexp(wide, -exponents[:, None])
        halves = _halves(scaled)
        rounded = halves.astype(np.float64)
        return cls(
            halves=halves,
            exponents=exponents,
            lengths=np.linalg.norm(rounded, axis=1),
            left=np.linalg.norm(scaled - rounded, axis=1),
        )

    def __len__(self) -> int:
        return len(self.halves)

    def block(self, part: slice) -> Self:
        """A view of some queries."""
        return type(self)(
            halves=self.halves[part],
            exponents=self.exponents[part],
            lengths=self.lengths[part],
            left=self.left[part],
        )

    def units(self, rows: HalfBounds) -> NDArray[np.float64]:
        """[Q], what a score of 1 between halves stands for: a power of two."""
        units: NDArray[np.float64] = np.ldexp(1.0, self.exponents + rows.exponent)
        return units

    def margins(self, rows: HalfBounds) -> NDArray[np.float64]:
        """[Q], how far at most a score between halves is from the scaled float32 rows' own."""
        summing = self.halves.shape[1] * _ADDITION + _SUMS
        margins: NDArray[np.float64] = self.left * rows.length + self.lengths * rows.left
        margins += summing * self.lengths * (rows.length + rows.left) + _LOST_SUMS
        return margins * _SLACK


def to_halves(
    rows: NDArray[np.float32], *, first_row: int = 0, out: F16 | None = None
) -> tuple[F16, HalfBounds]:
    """Halves [N, D] of float32 rows, and what they lost.

    Args:
        rows: [N, D].
        first_row: the number of the first row in errors.
        out: where to write the halves.

    Raises:
        ValueError: a row is not finite; the message names it.
    """
    halves = np.empty(rows.shape, dtype=np.float16) if out is None else out
    step = max(1, _CHUNK_NUMBERS // rows.shape[1])
    parts = [slice(start, start + step) for start in range(0, len(rows), step)]
    longest = max((_longest(rows[part], first_row + part.start) for part in parts), default=0.0)
    exponent = int(np.frexp(longest)[1]) - _LENGTH_BITS
    left = 0.0
    for part in parts:
        scaled = np.ldexp(rows[part], -exponent)
        halves[part] = _halves(scaled)
        # Exact: a float32 number less its nearest half is a float32 number.
        left = max(left, _longest(scaled - halves[part].astype(np.float32), first_row))
    # What scaling itself loses to underflow is below 2**-149 a number.
    lost = rows.shape[1] * 2.0**-149
    return halves, HalfBounds(
        exponent=exponent, length=float(np.ldexp(longest, -exponent)), left=left + lost
    )


def _halves(scaled: NDArray[np.floating]) -> F16:
    halves = scaled.astype(np.float16)
    halves[np.abs(halves) < _SMALLEST_NORMAL] = 0
    return halves


def _longest(rows: NDArray[np.float32], first_row: int) -> float:
    """An upper bound of the lengths of [N, D] rows, N > 0."""
    # Overflow or NaN here is a finding, not an accident: it sends the rows down the careful path.
    with np.errstate(over="ignore", invalid="ignore"):
        squared = np.einsum("nd,nd->n", rows, rows).max()
    if not _SHORTEST_SQUARED <= squared <= _LONGEST_SQUARED:
        require_finite_rows("rows", rows, first_row=first_row)
        squared = np.square(rows, dtype=np.float64).sum(axis=1).max()
    # D + 1 roundings of a sum, halved by the root; lost to underflow is less than the last term.
    slack = 1 + (rows.shape[1] + 16) * 2.0**-24
    return float(np.sqrt(float(squared)) * slack)
