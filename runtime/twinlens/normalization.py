"""Normalization of rows to length 1, which makes inner products cosines."""

import math
import os
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from twinlens.errors import quoted
from twinlens.foreign_arrays import as_array
from twinlens_kernels import NATIVE, squared_lengths

_NO_NUMBERS = (str, bytes, bytearray, os.PathLike, Image.Image, Mapping, AbstractSet)
_BLOCK_NUMBERS = 2**18
# Squares of numbers between 2**-400 and 2**400 neither under- nor overflow in a float64 sum.
_SHORTEST, _LONGEST = 2.0**-400, 2.0**400
# A unit row in float32 has a length of 1 +- 2**-24, for its numbers are rounded by as much.
_ROUNDING = 2.0**-24 * (1 + 2.0**-16)
# Such a squared length is that of a length within _ROUNDING for sure, whatever was rounded.
_SURELY_UNIT = 2 * _ROUNDING * (1 - 2.0**-16)


def unit_rows(
    embeddings: ArrayLike, *, numbers: Sequence[int] | None = None
) -> NDArray[np.float32]:
    """Scale each row of [N, D] floats to length 1; a zero row stays zero.

    Lengths are computed in float64, so tiny and huge rows keep their direction. A float32 row that
    has length 1 already, as rounded numbers can have it, stays to the bit.

    Args:
        embeddings: [N, D], or a column of vectors, of numpy, torch, pandas, polars or pyarrow.
        numbers: row numbers in errors; 0 to N - 1 by default.

    Raises:
        TypeError: The numbers are not floats.
        ValueError: There are not two dimensions, or a row holds NaN or infinity.
    """
    rows = read_floats(embeddings)
    if rows.ndim != 2 or rows.shape[1] == 0:
        raise ValueError(f"embeddings have shape {rows.shape}, wanted [rows, width] with width > 0")
    row_numbers: Sequence[int] = range(len(rows)) if numbers is None else numbers
    # A float64 row of such a length is rounded yet, to one that may be twice as far from 1.
    kept = _ROUNDING if rows.dtype.itemsize <= 4 else 0
    if len(rows) == 1:
        return _unit_row(rows, row_numbers, kept=kept)
    unit = np.empty(rows.shape, dtype=np.float32)
    step = max(1, _BLOCK_NUMBERS // rows.shape[1])
    may_be_unit = are_unit(rows[:1])
    for start in range(0, len(rows), step):
        part = slice(start, start + step)
        may_be_unit = may_be_unit and are_unit(rows[part])
        if may_be_unit:
            unit[part] = rows[part]
            continue
        with np.errstate(invalid="ignore"):  # a signalling NaN is refused below, as any other
            numbers64 = rows[part].astype(np.float64)
        unit[part] = _scaled(numbers64, row_numbers[part], kept=kept)
    return unit


def are_unit(rows: NDArray[np.floating]) -> bool:
    """Return True if `unit_rows` would surely return these rows [N, D] to the bit.

    Rows of a model are such, and this costs a tenth of scaling them. It finds none without compiled
    kernels.
    """
    if not NATIVE or rows.dtype != np.float32 or rows.ndim != 2 or not rows.size:
        return False
    squared = squared_lengths(rows)
    # False for NaN, too.
    return bool(squared.min() >= 1 - _SURELY_UNIT and squared.max() <= 1 + _SURELY_UNIT)


def _unit_row(
    rows: NDArray[np.floating], numbers: Sequence[int], *, kept: float
) -> NDArray[np.float32]:
    """Scale one row [1, D] as `_scaled` does: a query, for which a call of numpy costs as a row."""
    with np.errstate(over="ignore", invalid="ignore"):
        row = rows.astype(np.float64)
        length = math.sqrt(np.einsum("nd,nd->n", row, row)[0])
    if not _SHORTEST < length < _LONGEST:  # or NaN
        return _scaled(row, numbers, kept=kept).astype(np.float32)
    if abs(length - 1) > kept:
        row /= length
    return row.astype(np.float32)


def read_floats(embeddings: object) -> NDArray[np.floating]:
    """Return embeddings as a numpy array of floats, of any shape.

    Raises:
        TypeError: The numbers are not floats, or these are texts, images or paths.
        ValueError: A value is missing, or rows differ in width.
    """
    if not may_be_rows(embeddings):
        raise TypeError(_not_floats(embeddings))
    rows = as_array(embeddings, "embeddings")
    if rows.dtype.kind != "f":
        raise TypeError(_not_floats(embeddings, rows))
    return rows


def may_be_rows(values: object) -> bool:
    """Return False for a text, a path, an image, a mapping or a set: no rows come of them."""
    return type(values) is np.ndarray or not isinstance(values, _NO_NUMBERS)


def _not_floats(embeddings: object, rows: NDArray[np.generic] | None = None) -> str:
    """Return the message of values that are no floats, with the cure of their kind."""
    value = embeddings if rows is None else rows.flat[0] if rows.size else rows.dtype
    kind = type(value).__name__ if rows is None or rows.dtype == object else str(rows.dtype)
    cure = "convert them with astype"
    if isinstance(value, (str, bytes)):
        return f"embeddings are text ({quoted(value)}), wanted floats; use model.embed_texts first"
    if isinstance(value, (os.PathLike, Image.Image)) or (rows is not None and rows.ndim > 2):
        cure = "use model.embed_images first"
    elif rows is None or rows.dtype == object:
        cure = "give a numpy array [rows, width]"
    return f"embeddings are {kind}, wanted floats; {cure}"


def _scaled(
    rows: NDArray[np.float64], numbers: Sequence[int], *, kept: float
) -> NDArray[np.float64]:
    """Scale rows in place, but for those of length 1 +- `kept`; no row depends on the others."""
    with np.errstate(over="ignore", invalid="ignore"):
        lengths = np.sqrt(np.einsum("nd,nd->n", rows, rows))
        lengths[np.abs(lengths - 1) <= kept] = 1
    if lengths.min() > _SHORTEST and lengths.max() < _LONGEST:  # not with NaN
        rows /= lengths[:, None]
        return rows
    odd = ~((lengths > _SHORTEST) & (lengths < _LONGEST))
    scaled = rows[odd]
    _require_finite(scaled, [numbers[row] for row in np.flatnonzero(odd).tolist()])
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
