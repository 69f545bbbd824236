"""8-bit codes of queries, with bounds of a score between a coded query and a coded row.

A query q is stored as unit * b + remainder, with integers b; a row x (codes.py) as centre +
scale * c + remainder. With the exact integer d = <b, c>,

    (<q, x> - <q, centre>) / unit  <=  scale d  +  |q| / unit * |x - centre - scale c|
                                                +  |q - unit b| / unit * scale |c|

The last two norms are stored with the row; their factors are `per_left` and `per_coded`, the
largest of all queries, so that a row has one margin. Both are raised to cover rounding errors:

* The right side is computed in float32, at most 8 roundings of 2**-24, each of no more than
  |b| scale |c| or a margin.
* <q, x> on the left side is the score of reference.py, which is within 2**-40 |q| |x| of <q, x>.
* <q, centre> is summed in float64, and a product of float32 numbers may underflow: thresholds are
  lowered, and bounds raised, by (D 2**-52 + 2**-38) |q| |centre| / unit and by 2**-100.

No float32 number here is above 2**100 as long as the terms of the rows stay below `LARGEST_TERM`,
and no integer above 2**31 as long as D stays below `LARGEST_WIDTH`.
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
_LARGEST_THRESHOLD: Final = 2.0**120


@dataclass(frozen=True, slots=True, kw_only=True)
class CodedQueries:
    """Integer codes of queries [Q, D], for rows coded around one centre."""

    codes: NDArray[np.int8]
    """[P, Q], padded with zeros."""
    units: F64
    """[Q], above 0."""
    offsets: F64
    """[Q], scores of the centre."""
    slack: F64
    """[Q], added to bounds and subtracted from thresholds, in units."""
    per_left: NDArray[np.float32]
    """[1], factor of the norm of a row's remainder."""
    per_coded: NDArray[np.float32]
    """[1], factor of the norm of a row's codes."""

    @classmethod
    def of(cls, queries: NDArray[np.float32], centre: NDArray[np.float32], *, largest: int) -> Self:
        """Round finite queries [Q, D], Q >= 1, to codes between -largest and largest <= 127."""
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

    def thresholds(self, scores: F64) -> NDArray[np.float32]:
        """Return the least bounds [Q] of `UPPERS` from which a score may reach the given [Q]."""
        exact = (scores - self.offsets) / self.units - self.slack
        lowered = np.clip(exact, -_LARGEST_THRESHOLD, _LARGEST_THRESHOLD).astype(np.float32)
        return np.nextafter(lowered, np.float32(-np.inf))

    def uppers(self, bounds: NDArray[np.float32], of_query: NDArray[np.intp]) -> F64:
        """Return upper bounds of scores [M], from bounds of `UPPERS` [M] and their queries [M]."""
        in_units = bounds + self.slack[of_query]
        return in_units * self.units[of_query] + self.offsets[of_query]


def _raised(number: float) -> NDArray[np.float32]:
    raised = np.array([number * (1 + _FLOAT32_ROUNDINGS)], dtype=np.float32)
    return np.nextafter(raised, np.float32(np.inf))
