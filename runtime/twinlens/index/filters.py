"""Filter of a search: the rows that it may return, as a mask or as ids."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from twinlens.errors import quoted
from twinlens.foreign_arrays import as_array, library_of
from twinlens.index.ids import IdsLike
from twinlens.index.snapshot import Snapshot

Filter: TypeAlias = NDArray[np.bool_] | Sequence[bool] | IdsLike
"""Bools [N], one a row including removed ones; or the allowed ids. Of numpy, torch, pandas, polars
or pyarrow, or a list."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Rows that a search may return: all live rows by default."""

    mask: NDArray[np.bool_] | None
    """[N], True for selected rows; None for all."""
    rows: NDArray[np.int64] | None = None
    """Selected row numbers, ascending; only if the filter gave ids."""

    @classmethod
    def of_rows(cls, snapshot: Snapshot, rows: NDArray[np.int64]) -> Self:
        """Select live rows, ascending, by their numbers."""
        mask = np.zeros(len(snapshot), dtype=np.bool_)
        mask[rows] = True
        return cls(mask=mask, rows=rows)

    @classmethod
    def of_mask(cls, snapshot: Snapshot, mask: NDArray[np.bool_]) -> Self:
        """Select the live rows with True in a mask [N]."""
        return cls(mask=mask if snapshot.live is None else mask & snapshot.live)


def select(snapshot: Snapshot, wanted: Filter | None) -> Selection:
    """Apply a filter to the live rows.

    Raises:
        IdError: an id is unknown, removed, or of another kind, or a mask has integers.
        TypeError: the filter is neither bools nor ids.
        ValueError: a mask does not have one bool a row.
    """
    if wanted is None:
        return Selection(mask=snapshot.live)
    mask, column = read_filter(wanted)
    if mask is None:
        return Selection.of_rows(snapshot, np.unique(snapshot.find(column)))
    require_mask(mask, len(snapshot))
    return Selection.of_mask(snapshot, mask)


def read_filter(wanted: Filter) -> tuple[NDArray[np.bool_] | None, IdsLike]:
    """Return bools as a mask, or None and the ids.

    Raises:
        TypeError: some items are bools, and others are not.
    """
    column = as_array(wanted, "filter") if library_of(wanted) else wanted
    return _as_mask(column), column


def require_mask(mask: NDArray[np.bool_], n_rows: int) -> None:
    """Refuse a mask that has not one bool a row.

    Raises:
        ValueError: its shape is not [n_rows].
    """
    if mask.shape != (n_rows,):
        raise ValueError(
            f"filter has shape {mask.shape}, wanted {(n_rows,)}: one bool a row, removed rows too"
        )


def _as_mask(wanted: object) -> NDArray[np.bool_] | None:
    """Return bools as a mask; None for ids.

    Raises:
        TypeError: some items are bools, and others are not.
    """
    if isinstance(wanted, np.ndarray) and wanted.dtype != object:
        return wanted if wanted.dtype == np.bool_ else None
    items: Sequence[Any] | NDArray[Any] | None = None
    if isinstance(wanted, (list, tuple, np.ndarray)):
        items = wanted
    if items is None or not len(items) or not isinstance(items[0], (bool, np.bool_)):
        return None
    for place, item in enumerate(items):
        if not isinstance(item, (bool, np.bool_)):
            raise TypeError(
                f"filter item {place} is {quoted(repr(item))} of type {type(item).__name__}, "
                "wanted a bool as the items before it"
            )
    return np.array(items, dtype=np.bool_)
