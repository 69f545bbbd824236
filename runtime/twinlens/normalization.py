"""Normalization of rows to length 1, which makes inner products cosines."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

_BLOCK_NUMBERS = 2**18
# Squares of numbers between 2**-400 and 2**400 neither under- nor overflow in a float64 sum.
_SHORTEST, _LONGEST = 2.0**-400, 2.0**400


def unit_rows(embeddings: ArrayLike, *, numbers: range | None = None) -> NDArray[np.float32]:
    """Scale each row of [N, D] floats to length 1; a zero row stays zero.

    Lengths are computed in float64, so tiny and huge rows keep their direction.

    Args:
        embeddings: [N, D]
        numbers: row numbers in errors; 0 to N - 1 by default.

    Raises:
        TypeError: The numbers are not floats.
        ValueError: There are not two dimensions, or a row holds NaN or infinity.
    """
    rows = np.asarray(embeddings)
    if not np.issubdtype(rows.dtype, np.floating):
        raise TypeError(f"embeddings are {rows.dtype}, wanted floats; convert them with astype")
    if rows.ndim != 2 or rows.shape[1] == 0:
        raise ValueError(f"embeddings have shape {rows.shape}, wanted [rows, width] with width > 0")
    unit = np.empty(rows.shape, dtype=np.float32)
    row_numbers = range(len(rows)) if numbers is None else numbers
    step = max(1, _BLOCK_NUMBERS // rows.shape[1])
    for start in range(0, len(rows), step):
        part = slice(start, start + step)
        unit[part] = _scaled(rows[part].astype(np.float64), row_numbers[part])
    return unit


def _scaled(rows: NDArray[np.float64], numbers: range) -> NDArray[np.float64]:
    """Scale rows in place; no row depends on the others."""
    with np.errstate(over="ignore", invalid="ignore"):
        lengths = np.sqrt(np.einsum("nd,nd->n", rows, rows))
    if lengths.min() > _SHORTEST and lengths.max() < _LONGEST:  # not with NaN
        rows /= lengths[:, None]
        return rows
    odd = ~((lengths > _SHORTEST) & (lengths < _LONGEST))
    scaled = rows[odd]
    _require_finite(scaled, [numbers[row] for row in np.flatnonzero(odd)])
    # Dividing by the largest component first keeps the squares from over- and underflowing.
    _divide_rows(scaled, np.abs(scaled).max(axis=1))
    rows[odd] = scaled
    lengths[odd] = np.sqrt(np.einsum("nd,nd->n", scaled, scaled))
    _divide_rows(rows, lengths)
    return rows


def _divide_rows(rows: NDArray[np.float64], divisors: NDArray[np.float64]) -> None:
    rows /= np.where(divisors > 0, divisors, 1)[:, None]


def _require_finite(rows: NDArray[np.float64], numbers: list[int]) -> None:
    finite = np.isfinite(rows).all(axis=1)
    if not finite.all():
        raise ValueError(
            f"embedding {numbers[int(np.argmin(finite))]} holds NaN or infinity, wanted finite "
            "numbers; leave out inputs without an embedding"
        )
