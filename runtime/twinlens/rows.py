"""Rows of length 1: what turns an inner product into a cosine."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

_BLOCK_NUMBERS = 2**20


def unit_rows(embeddings: ArrayLike) -> NDArray[np.float32]:
    """Scale each row of [N, D] floats to length 1; a zero row stays zero.

    Lengths are taken in float64, so neither tiny nor huge rows lose their direction.

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
    step = max(1, _BLOCK_NUMBERS // rows.shape[1])
    for start in range(0, len(rows), step):
        block = rows[start : start + step].astype(np.float64)
        _require_finite(block, first_row=start)
        # Dividing by the largest component first keeps the squares from over- and underflowing.
        _divide_rows(block, np.abs(block).max(axis=1))
        _divide_rows(block, np.linalg.norm(block, axis=1))
        unit[start : start + step] = block
    return unit


def _divide_rows(rows: NDArray[np.float64], divisors: NDArray[np.float64]) -> None:
    np.divide(rows, divisors[:, None], out=rows, where=divisors[:, None] > 0)


def _require_finite(rows: NDArray[np.float64], *, first_row: int) -> None:
    finite = np.isfinite(rows).all(axis=1)
    if not finite.all():
        bad = first_row + int(np.argmin(finite))
        raise ValueError(
            f"embedding {bad} holds NaN or infinity, wanted finite numbers; "
            "leave out what could not be embedded"
        )
