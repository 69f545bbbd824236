"""Query of an index: unit rows of the queries, selected rows, and the exact search."""

from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from twinlens.index.hits import Hits, RangeHits
from twinlens.index.ids import IdsLike
from twinlens.index.searchable import Searchable
from twinlens.index.snapshot import Snapshot
from twinlens.normalization import unit_rows
from twinlens.search.cosines import Cosines, RangeSearch, nearest, reaching, reported
from twinlens_kernels import Ranges, within

Filter = NDArray[np.bool_] | IdsLike
"""bool [N], one a row including removed ones; or the allowed ids."""

_ROWS_PER_ALLOWED: Final = 256
"""Below 1 allowed row in 256, scoring those rows directly beats scanning all codes."""
_MOST_SCORES: Final = 2**22
"""Most scores of a direct search: 32 MiB of float64."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Rows that a search may return: all live rows by default."""

    mask: NDArray[np.bool_] | None
    """[N], True for selected rows; None for all."""
    rows: NDArray[np.int64] | None = None
    """Selected row numbers, ascending; only if the filter gave ids."""


def read_queries(queries: ArrayLike, width: int) -> NDArray[np.float32]:
    """Scale [Q, D] float queries, or one [D], to unit rows [Q, D].

    Raises:
        TypeError: The numbers are not floats.
        ValueError: The width is another than that of the index, or a query holds NaN or infinity.
    """
    wanted = unit_rows(np.atleast_2d(np.asarray(queries)))
    if wanted.shape[1] != width:
        raise ValueError(
            f"queries have width {wanted.shape[1]}, but the index has width {width}; "
            "embed both with the same model"
        )
    return wanted


def select(snapshot: Snapshot, wanted: Filter | None) -> Selection:
    """Apply a filter to the live rows.

    Raises:
        IdError: an id is unknown, removed, or of another kind.
        ValueError: a mask does not have one bool a row.
    """
    if wanted is None:
        return Selection(mask=snapshot.live)
    mask = _as_mask(wanted)
    if mask is None:
        rows = np.unique(snapshot.find(wanted))
        mask = np.zeros(len(snapshot), dtype=np.bool_)
        mask[rows] = True
        return Selection(mask=mask, rows=rows)
    if mask.shape != (len(snapshot),):
        raise ValueError(
            f"filter has shape {mask.shape}, wanted {(len(snapshot),)}: one bool a row, removed "
            "rows too"
        )
    return Selection(mask=mask if snapshot.live is None else mask & snapshot.live)


def search_topk(
    searchable: Searchable,
    queries: NDArray[np.float32],
    k: int,
    selection: Selection,
    *,
    threads: int,
) -> Hits:
    """Find the k best selected rows of each query, or all of them if there are fewer."""
    snapshot = searchable.snapshot
    wanted = Cosines(queries=queries, rows=snapshot.rows)
    few = _few_rows(snapshot, queries, selection)
    if few is None:
        engine = searchable.engine
        rows, cosines = nearest(
            wanted,
            k,
            by_score=partial(engine.topk, allowed=selection.mask, threads=threads),
            within=_scan(snapshot, selection, threads=threads),
        )
    else:
        ranked, exact = _ranked(wanted, few, threads=threads)
        rows, cosines = ranked[:, :k], exact[:, :k]
    return Hits(ids=snapshot.ids_at(rows), cosines=reported(cosines), rows=rows)


def search_range(
    snapshot: Snapshot,
    queries: NDArray[np.float32],
    cosine: float,
    selection: Selection,
    *,
    threads: int,
) -> RangeHits:
    """Find all selected rows whose reported cosine with a query is at least this, as float32."""
    wanted, floor = Cosines(queries=queries, rows=snapshot.rows), np.float32(cosine)
    few = _few_rows(snapshot, queries, selection)
    if few is None:
        scan = _scan(snapshot, selection, threads=threads)
        found = reaching(wanted, floor, within=scan)
    else:
        rows, exact = _ranked(wanted, few, threads=threads)
        reached = reported(exact) >= floor
        starts = np.zeros(len(queries) + 1, dtype=np.int64)
        np.cumsum(reached.sum(axis=1), out=starts[1:])
        found = Ranges(starts=starts, ids=rows[reached], scores=exact[reached])
    return RangeHits(
        starts=found.starts,
        ids=snapshot.ids_at(found.ids),
        cosines=reported(found.scores),
        rows=found.ids,
    )


def _scan(snapshot: Snapshot, selection: Selection, *, threads: int) -> RangeSearch:
    """Return the range search of the selected rows by score."""

    def search(queries: NDArray[np.float32], floors: NDArray[np.float64]) -> Ranges:
        return within(
            queries,
            snapshot.rows,
            floors,
            codes=snapshot.codes,
            allowed=selection.mask,
            threads=threads,
        )

    return search


def _as_mask(wanted: Filter) -> NDArray[np.bool_] | None:
    if isinstance(wanted, np.ndarray):
        return wanted if wanted.dtype == np.bool_ else None
    if isinstance(wanted, (list, tuple)) and wanted and isinstance(wanted[0], bool):
        return np.asarray(wanted, dtype=np.bool_)
    return None


def _few_rows(
    snapshot: Snapshot, queries: NDArray[np.float32], selection: Selection
) -> NDArray[np.int64] | None:
    """Return the selected rows if there are so few that scoring them directly is faster."""
    rows = selection.rows
    if rows is None or len(rows) * _ROWS_PER_ALLOWED > len(snapshot):
        return None
    return rows if len(rows) * len(queries) <= _MOST_SCORES else None


def _ranked(
    wanted: Cosines, rows: NDArray[np.int64], *, threads: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Sort rows [C] by their cosines [Q, C]; of equals, the lower row comes first."""
    exact = wanted.of_rows(rows, threads=threads)
    order = np.argsort(-exact, axis=1, kind="stable")
    return rows[order], np.take_along_axis(exact, order, axis=1)
