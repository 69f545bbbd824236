"""The corpus as 8-bit codes, with what bounds the error of every score made from them.

A row x is held as centre + scale * c + what is left, with whole numbers c in [-128, 127] stored as
c + 128. Two norms a row are stored beside the scale, both rounded up, so that for any query

    |<q, x> - <q, centre> - scale <q, c>|  <=  |q| |what is left|

holds for every finite row, whatever its size. EXACTNESS.md carries this to the answers.
"""

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from twinlens_kernels.checks import require_finite_rows, require_positive, require_rows

PAD_TO: Final = 64
"""Codes of a row are padded to a multiple of this: a cache line, and the width of an AMX tile."""
ZERO: Final = 128
"""The code of a zero."""
_LARGEST = 127
# Rows encoded at once by numpy: their float64 differences stay in the cache.
_CHUNK_NUMBERS = 2**17
# D <= 2**20 numbers are squared and summed in float64 with a relative error below 2**-32, and
# each of them is within 2**-52 of |row - centre| of what it stands for; see EXACTNESS.md.
_NORM_SLACK, _DIFFERENCE_SLACK = 1 + 2.0**-30, 2.0**-50


@dataclass(frozen=True, slots=True, kw_only=True)
class Codes:
    """[N, D] rows as 8-bit codes. No row depends on another; all of them depend on `centre`."""

    codes: NDArray[np.uint8]
    """[N, P], P = D rounded up to a multiple of 64; code - 128 times the scale, padded with 128."""
    terms: NDArray[np.float32]
    """[N, 3]: scale; upper bound of |row - centre - scale * (code - 128)|; upper bound of
    scale * |code - 128|. With a residual [N, 5]: also the residual's scale, and the upper bound of
    what both leave. A bound may be infinite: the row is then always rescored."""
    centre: NDArray[np.float32]
    """[D], subtracted from each row first. Any is correct; the mean of the corpus is fast."""
    residual: NDArray[np.uint8] | None = None
    """[N, P] codes of what the first codes left, or None."""

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
        """A view of some rows."""
        return type(self)(
            codes=self.codes[rows],
            terms=self.terms[rows],
            centre=self.centre,
            residual=None if self.residual is None else self.residual[rows],
        )


def padded_width(width: int) -> int:
    """The number of codes in a row of this width."""
    return -(-width // PAD_TO) * PAD_TO


def encode(
    rows: NDArray[np.float32],
    *,
    centre: NDArray[np.float32],
    residual: bool = False,
    threads: int = 1,
) -> Codes:
    """Codes of [N, D] rows around a centre [D].

    Args:
        rows: [N, D], of any length, finite.
        centre: [D]; the mean of the corpus (or of a sample of it) makes the codes fast.
        residual: Also code what the first codes leave: twice the memory, and next to no float32
            row is read that is not among the hits.
        threads: Ignored by numpy.

    Raises:
        TypeError: rows or centre is not a float32 array.
        ValueError: The shapes do not fit, or a row is not finite; the message names it.
    """
    require_rows("rows", rows)
    require_rows("centre", centre[None])
    require_positive("threads", threads)
    if centre.shape != rows.shape[1:]:
        raise ValueError(f"centre has shape {centre.shape}, wanted {rows.shape[1:]} as a row")
    require_finite_rows("centre", centre[None])
    n_rows, padded = len(rows), padded_width(rows.shape[1])
    codes = np.full((n_rows, padded), ZERO, dtype=np.uint8)
    second = np.full((n_rows, padded), ZERO, dtype=np.uint8) if residual else None
    terms = np.empty((n_rows, 5 if residual else 3), dtype=np.float32)
    step = max(1, _CHUNK_NUMBERS // rows.shape[1])
    for start in range(0, n_rows, step):
        part = slice(start, start + step)
        require_finite_rows("rows", rows[part], first_row=start)
        _encode_chunk(
            rows[part], centre, codes[part], terms[part], None if second is None else second[part]
        )
    return Codes(codes=codes, terms=terms, centre=centre, residual=second)


def _encode_chunk(
    rows: NDArray[np.float32],
    centre: NDArray[np.float32],
    codes: NDArray[np.uint8],
    terms: NDArray[np.float32],
    residual: NDArray[np.uint8] | None,
) -> None:
    width = len(centre)
    differences = rows.astype(np.float64) - centre
    length = np.linalg.norm(differences, axis=1)
    left = differences
    for column, part in ((0, codes), (3, residual)):
        if part is None:
            continue
        scale, whole = _quantise(left)
        part[:, :width] = whole + ZERO
        left = left - scale[:, None] * whole
        terms[:, column] = scale
        leftover = np.linalg.norm(left, axis=1) + _DIFFERENCE_SLACK * length
        terms[:, column + 1] = _round_up(leftover * _NORM_SLACK)
        if column == 0:
            terms[:, 2] = _round_up(scale * np.linalg.norm(whole, axis=1) * _NORM_SLACK)


def _quantise(numbers: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """A float32 scale [N], and whole numbers [N, D] in [-128, 127]."""
    scale = (np.abs(numbers).max(axis=1) / _LARGEST).astype(np.float32).astype(np.float64)
    whole = np.zeros_like(numbers)
    np.divide(numbers, scale[:, None], out=whole, where=scale[:, None] > 0)
    return scale, np.clip(np.rint(whole), -ZERO, _LARGEST)


def _round_up(numbers: NDArray[np.float64]) -> NDArray[np.float32]:
    """The nearest float32 that is not below; beyond float32 that is infinity."""
    with np.errstate(over="ignore"):
        nearest = numbers.astype(np.float32)
    short = nearest < numbers
    nearest[short] = np.nextafter(nearest[short], np.float32(np.inf))
    return nearest
