"""Encoding of rows in numpy: used without the compiled module."""

import numpy as np
from numpy.typing import NDArray

from twinlens_kernels.codes import ZERO, Codes, padded_width
from twinlens_kernels.validation import require_finite_rows

_LARGEST = 127
# Rows encoded at once by numpy: their float64 differences stay in the cache.
_CHUNK_NUMBERS = 2**17
# D <= 2**20 numbers are squared and summed in float64 with a relative error below 2**-32, and
# each of them is off by at most 2**-52 |row - centre|; see EXACTNESS.md.
_NORM_SLACK, _DIFFERENCE_SLACK = 1 + 2.0**-30, 2.0**-50


def encode(
    rows: NDArray[np.float32], *, centre: NDArray[np.float32], residual: bool = False
) -> Codes:
    """Encode as `twinlens_kernels.encode`, on one thread; checks only that rows are finite."""
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
    remainder = differences
    for column, part in ((0, codes), (3, residual)):
        if part is None:
            continue
        scale, whole = _quantise(remainder)
        part[:, :width] = whole + ZERO
        remainder = remainder - scale[:, None] * whole
        terms[:, column] = scale
        error = np.linalg.norm(remainder, axis=1) + _DIFFERENCE_SLACK * length
        terms[:, column + 1] = _round_up(error * _NORM_SLACK)
        if column == 0:
            terms[:, 2] = _round_up(scale * np.linalg.norm(whole, axis=1) * _NORM_SLACK)


def _quantise(numbers: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return a float32 scale [N], and integers [N, D] in [-128, 127]."""
    scale = (np.abs(numbers).max(axis=1) / _LARGEST).astype(np.float32).astype(np.float64)
    whole = np.zeros_like(numbers)
    np.divide(numbers, scale[:, None], out=whole, where=scale[:, None] > 0)
    return scale, np.clip(np.rint(whole), -ZERO, _LARGEST)


def _round_up(numbers: NDArray[np.float64]) -> NDArray[np.float32]:
    """Round up to float32; infinity beyond float32."""
    with np.errstate(over="ignore"):
        nearest = numbers.astype(np.float32)
    short = nearest < numbers
    nearest[short] = np.nextafter(nearest[short], np.float32(np.inf))
    return nearest
