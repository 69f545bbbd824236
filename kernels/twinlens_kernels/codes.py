"""8-bit codes of a corpus, with error bounds of every score computed from them.

A row x is stored as centre + scale * c + remainder, with integers c in [-128, 127] stored as
c + 128. Two norms a row are stored beside the scale, both rounded up, so that for any query

    |<q, x> - <q, centre> - scale <q, c>|  <=  |q| |remainder|

holds for every finite row, however large or small. EXACTNESS.md extends this to the results.
"""

import math
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

CACHE_LINE: Final = 64
"""Bytes."""
PAD_TO: Final = CACHE_LINE
"""Row length of codes is a multiple of this: a cache line, and the width of an AMX tile."""
ZERO: Final = 128
"""Code of zero."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Codes:
    """8-bit codes of rows [N, D]. Rows are coded independently, all around one `centre`."""

    codes: NDArray[np.uint8]
    """[N, P], P = D rounded up to a multiple of 64: 128 + (row - centre) / scale, padding 128."""
    terms: NDArray[np.float32]
    """[N, 3]: scale; upper bound of |row - centre - scale * (code - 128)|; upper bound of
    scale * |code - 128|. With a residual [N, 5]: also the residual's scale, and the upper bound of
    the remainder's norm after both. A bound may be infinite: the row is then always rescored."""
    centre: NDArray[np.float32]
    """[D], subtracted from each row first. Any one is correct; the mean of the corpus is fast."""
    residual: NDArray[np.uint8] | None = None
    """[N, P], codes of the first codes' remainder, or None."""

    def __post_init__(self) -> None:
        n_rows, padded = self.codes.shape
        if padded != padded_width(len(self.centre)):
            raise ValueError(
                f"codes are {padded} wide, wanted {padded_width(len(self.centre))} for a centre "
                f"of width {len(self.centre)}; make them with encode"
            )
        wanted = (n_rows, 3 if self.residual is None else 5)
        if self.terms.shape != wanted:
            raise ValueError(f"terms have shape {self.terms.shape}, wanted {wanted}")
        if self.residual is not None and self.residual.shape != self.codes.shape:
            raise ValueError(
                f"residual has shape {self.residual.shape}, wanted {self.codes.shape} as the codes"
            )

    def __len__(self) -> int:
        return len(self.codes)

    def __getitem__(self, rows: slice) -> Self:
        """Return a view of some rows."""
        return type(self)(
            codes=self.codes[rows],
            terms=self.terms[rows],
            centre=self.centre,
            residual=None if self.residual is None else self.residual[rows],
        )


def padded_width(width: int) -> int:
    """Return the number of codes of a row of this width."""
    return -(-width // PAD_TO) * PAD_TO


def aligned_empty(shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Allocate an array that begins at a cache line: the fastest to load for rows of codes."""
    wanted = math.prod(shape) * dtype.itemsize
    buffer = np.empty(wanted + CACHE_LINE, dtype=np.uint8)
    start = -buffer.ctypes.data % CACHE_LINE
    return buffer[start : start + wanted].view(dtype).reshape(shape)
