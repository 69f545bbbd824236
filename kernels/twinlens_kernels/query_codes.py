"""Queries as 8-bit codes, with what bounds a score between a coded query and a coded row.

A query q is held as unit * b + what is left, with whole numbers b; a row x (codes.py) as centre +
scale * c + what is left there. With the exact integer d = <b, c>,

    (<q, x> - <q, centre>) / unit  <=  scale d  +  |q| / unit * |x - centre - scale c|
                                                +  |q - unit b| / unit * scale |c|

The last two norms are stored with the row; what multiplies them is `per_left` and `per_coded`, the
largest of all queries, so that a row has one margin. Both are raised to pay for what rounds:

* The right side is computed in float32, at most 8 roundings of 2**-24, each of no more than
  |b| scale |c| or a margin.
* The left side is meant with the score of reference.py, which is within 2**-40 |q| |x| of <q, x>.
* <q, centre> is summed in float64, and a product of float32 numbers may underflow: floors are
  lowered, and bounds raised, by (D 2**-52 + 2**-38) |q| |centre| / unit and by 2**-100.

No float32 number here is above 2**100 as long as the terms of the rows stay below `LARGEST_TERM`,
and no whole number above 2**31 as long as D stays below `LARGEST_WIDTH`.
"""

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from twinlens_kernels.codes import padded_width

F64 = NDArray[np.float64]

LARGEST_TERM: Final = 2.0**60
LARGEST_WIDTH: Final = 2**16
_FLOAT32_ROUNDINGS: Final = 2.0**-20
_LOST_TO_UNDERFLOW: Final = 2.0**-100
_LARGEST_FLOOR: Final = 2.0**120


@dataclass(frozen=True, slots=True, kw_only=True)
class CodedQueries:
    """Queries [Q, D] as whole numbers, for codes around one centre."""

    codes: NDArray[np.int8]
    """[P, Q], padded with zeros."""
    units: F64
    """[Q], above 0."""
    offsets: F64
    """[Q], the scores of the centre."""
    slack: F64
    """[Q], what floors are lowered by and bounds are raised by, in units."""
    per_left: NDArray[np.float32]
    """[1]"""
    per_coded: NDArray[np.float32]
    """[1]"""

    @classmethod
    def of(cls, queries: NDArray[np.float32], centre: NDArray[np.float32], *, largest: int) -> Self:
        """Round finite [Q, D], Q >= 1, to codes between -largest and largest <= 127."""
        wide, middle = queries.astype(np.float64), centre.astype(np.float64)
        units = np.abs(wide).max(axis=1) / largest
        units[units == 0] = 1
        whole = np.rint(wide / units[:, None])
        codes = np.zeros((padded_width(len(centre)), len(queries)), dtype=np.int8)
        codes[: len(centre)] = whole.T
        lengths = np.linalg.norm(wide, axis=1) / units
        left = np.linalg.norm(wide - units[:, None] * whole, axis=1) / units
        per_left = lengths.max()
        per_coded = (left + _FLOAT32_ROUNDINGS * (1 + np.linalg.norm(whole, axis=1))).max()
        summing = len(centre) * 2.0**-52 + 2.0**-38
        return cls(
            codes=codes,
            units=units,
            offsets=wide @ middle,
            slack=summing * lengths * np.linalg.norm(middle) + _LOST_TO_UNDERFLOW,
            per_left=_raised(per_left),
            per_coded=_raised(per_coded),
        )

    def floors(self, scores: F64) -> NDArray[np.float32]:
        """[Q], what a bound of `UPPERS` must reach for a score to reach these [Q]."""
        floors = (scores - self.offsets) / self.units - self.slack
        lowered = np.clip(floors, -_LARGEST_FLOOR, _LARGEST_FLOOR).astype(np.float32)
        return np.nextafter(lowered, np.float32(-np.inf))

    def uppers(self, bounds: NDArray[np.float32], of_query: NDArray[np.intp]) -> F64:
        """Upper bounds of scores [M], from those of `UPPERS` [M] and their queries [M]."""
        in_units = bounds + self.slack[of_query]
        return in_units * self.units[of_query] + self.offsets[of_query]


def _raised(number: float) -> NDArray[np.float32]:
    raised = np.array([number * (1 + _FLOAT32_ROUNDINGS)], dtype=np.float32)
    return np.nextafter(raised, np.float32(np.inf))
