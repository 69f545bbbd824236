"""Rows that a caller gives as embeddings, checked to be unit rows."""

from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from twinlens.errors import quoted
from twinlens.ort.io_binding import OnDevice
from twinlens_kernels import NATIVE, squared_lengths

F32 = NDArray[np.float32]

_LONGEST_ERROR: Final = 1e-3
"""Largest distance of a length from 1; unit rows that were stored as float16 come to 5e-4."""


def read_unit_rows(rows: ArrayLike, *, name: str, width: int) -> F32:
    """Return rows [B, D] as float32; rows of NaN stay.

    The probability belongs to a cosine, and the product of two rows is one only if both are unit:
    raw CLIP rows, of length 10, would all match with probability 0 or 1.

    Raises:
        ValueError: they are no floats [B, D], or a row is not of length 1.
    """
    array = _floats(rows, name)
    _require_shape(array.shape, name, width)
    with np.errstate(over="ignore", invalid="ignore"):
        lengths = np.sqrt(_squared(array))
    # A comparison with NaN is False: rows of NaN pass.
    wrong = np.flatnonzero(np.abs(lengths - 1) > _LONGEST_ERROR)
    if wrong.size:
        raise ValueError(
            f"row {wrong[0]} of {name} has length {lengths[wrong[0]]:.4g}, wanted unit rows, as "
            "embed_images and embed_texts give them; divide each row by its length, "
            "rows / np.linalg.norm(rows, axis=1, keepdims=True)"
        )
    return array.astype(np.float32, copy=False)


def read_rows_anywhere(rows: ArrayLike | OnDevice, *, name: str, width: int) -> F32 | OnDevice:
    """Return rows as `read_unit_rows`; of rows on a device only the shape [B, D] is checked.

    Raises:
        ValueError: as of `read_unit_rows`, or the shape is another.
    """
    if not isinstance(rows, OnDevice):
        return read_unit_rows(rows, name=name, width=width)
    _require_shape(rows.shape, name, width)
    return rows


def _squared(rows: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the squared lengths [B]; in C++ seven times as fast as einsum, which widens blocks."""
    if NATIVE and rows.dtype == np.float32:
        return squared_lengths(rows.astype(np.float32, copy=False))
    squared: NDArray[np.float64] = np.einsum("bd,bd->b", rows, rows, dtype=np.float64)
    return squared


def _floats(rows: ArrayLike, name: str) -> NDArray[np.floating]:
    try:
        array = np.asarray(rows)
    except ValueError as error:  # lists of different lengths
        raise ValueError(
            f"{name} are no array of rows: {quoted(str(error))}; give float32 [B, D]"
        ) from error
    if not np.issubdtype(array.dtype, np.floating):
        raise ValueError(
            f"{name} are {quoted(str(array.dtype))}, wanted the floats [B, D] of embed_images or "
            "embed_texts"
        )
    return array


def _require_shape(shape: tuple[int, ...], name: str, width: int) -> None:
    if len(shape) != 2 or shape[1] != width:
        one = "; give one row as row[None]" if len(shape) == 1 else ""
        raise ValueError(f"{name} have shape {list(shape)}, wanted [B, {width}]{one}")
