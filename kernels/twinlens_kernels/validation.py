"""Checks of the kernels' arguments, with one error message each."""

import os

import numpy as np
from numpy.typing import NDArray

MAX_WIDTH = 2**20
MAX_THREADS = max(64, os.cpu_count() or 1)


def dtype_of(array: object) -> object:
    """Return the dtype of a numpy array, or the name of another type."""
    return array.dtype if isinstance(array, np.ndarray) else type(array).__name__


def require_rows(name: str, rows: NDArray[np.float32]) -> None:
    """Refuse anything but a float32 array [N, D]."""
    got = dtype_of(rows)
    if got != np.float32:
        raise TypeError(f"{name} is {got}, wanted a float32 array; convert it with astype")
    if rows.ndim != 2:
        raise ValueError(f"{name} has shape {rows.shape}, wanted two dimensions [rows, width]")
    if not 1 <= rows.shape[1] <= MAX_WIDTH:
        raise ValueError(f"{name} has width {rows.shape[1]}, wanted 1 to {MAX_WIDTH}")


def require_same_width(queries: NDArray[np.float32], corpus: NDArray[np.floating]) -> None:
    """Refuse queries and a corpus of different widths."""
    if queries.shape[1] != corpus.shape[1]:
        raise ValueError(
            f"queries have width {queries.shape[1]}, but the corpus has width {corpus.shape[1]}; "
            "embed both with the same model"
        )


def require_positive(name: str, number: int) -> None:
    """Refuse anything but an integer of at least 1."""
    if isinstance(number, (bool, np.bool_)) or not isinstance(number, (int, np.integer)):
        raise TypeError(f"{name} is a {type(number).__name__}, wanted an integer of at least 1")
    if number < 1:
        shown = number if number > -(2**63) else "far below 0"
        raise ValueError(f"{name} is {shown}, wanted at least 1")


def at_most_useful(threads: int) -> int:
    """Return the number of threads, cut where more of them only cost time and memory."""
    return min(int(threads), MAX_THREADS)


def require_allowed(allowed: NDArray[np.bool_], n_rows: int) -> None:
    """Refuse anything but one bool for each corpus row."""
    got = dtype_of(allowed)
    if got != np.bool_:
        raise TypeError(f"allowed is {got}, wanted a bool array")
    if allowed.shape != (n_rows,):
        raise ValueError(f"allowed has shape {allowed.shape}, wanted {(n_rows,)}: one bool a row")


def require_floors(floors: NDArray[np.float64], n_queries: int) -> None:
    """Refuse anything but one float64 number for each query: finite or infinite, not NaN."""
    got = dtype_of(floors)
    if got != np.float64:
        raise TypeError(f"floors is {got}, wanted a float64 array; convert it with astype")
    if floors.shape != (n_queries,):
        raise ValueError(f"floors has shape {floors.shape}, wanted {(n_queries,)}: one a query")
    if np.isnan(floors).any():
        raise ValueError(f"the floor of query {int(np.isnan(floors).argmax())} is nan")


def require_finite_rows(name: str, rows: NDArray[np.float32], *, first_row: int = 0) -> None:
    """Refuse NaN and infinity in [N, D]; the ValueError names the first bad row."""
    numbers_finite = np.isfinite(rows)
    if numbers_finite.all():
        return
    finite = numbers_finite.all(axis=1)
    bad = int(np.argmin(finite))
    value = rows[bad][~np.isfinite(rows[bad])][0]
    raise ValueError(
        f"{name} row {first_row + bad} holds {value}, wanted finite numbers; "
        "drop the row, or find its source"
    )
