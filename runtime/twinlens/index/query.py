"""What is asked of a snapshot: queries, the rows to choose among, and the exact answer."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from twinlens.index.ids import IdsLike
from twinlens.index.searchable import Searchable
from twinlens.index.snapshot import Snapshot
from twinlens.normalization import unit_rows
from twinlens_kernels import Ranges, rescore, within

Filter = NDArray[np.bool_] | IdsLike
"""bool [N], one a row, removed rows too; or the ids to choose among."""

_FEW: Final = 256
"""One row in so many is scored by itself sooner than the codes of all are looked through."""
_MOST_SCORES: Final = 2**22


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The rows that an answer may name: all that are not removed, by default."""

    mask: NDArray[np.bool_] | None
    """[N]; None for all."""
    rows: NDArray[np.int64] | None = None
    """The same as ascending row numbers, where they were given as ids."""


def read_queries(queries: ArrayLike, width: int) -> NDArray[np.float32]:
    """Unit rows [Q, D] of [Q, D] float queries, or of one [D].

    Raises:
        TypeError: The numbers are not floats.
        ValueError: The width is another than the index has, or a query holds NaN or infinity.
    """
    wanted = unit_rows(np.atleast_2d(np.asarray(queries)))
    if wanted.shape[1] != width:
        raise ValueError(
            f"queries have width {wanted.shape[1]}, but the index has width {width}; "
            "embed both with the same model"
        )
    return wanted


def choose(snapshot: Snapshot, wanted: Filter | None) -> Choice:
    """The rows that a filter leaves.

    Raises:
        IdError: an id is unknown, removed, or of another kind.
        ValueError: a mask has not one bool a row.
    """
    if wanted is None:
        return Choice(mask=snapshot.live)
    mask = _as_mask(wanted)
    if mask is None:
        rows = np.unique(snapshot.find(wanted))
        mask = np.zeros(len(snapshot), dtype=np.bool_)
        mask[rows] = True
        return Choice(mask=mask, rows=rows)
    if mask.shape != (len(snapshot),):
        raise ValueError(
            f"filter has shape {mask.shape}, wanted {(len(snapshot),)}: one bool a row, removed "
            "rows too"
        )
    return Choice(mask=mask if snapshot.live is None else mask & snapshot.live)


def best_of(
    moment: Searchable, queries: NDArray[np.float32], k: int, choice: Choice, *, threads: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Row numbers and scores [Q, K] of the K best rows among the choice, K as far as there are."""
    snapshot = moment.snapshot
    few = _few(snapshot, queries, choice)
    if few is None:
        return moment.searcher.topk(queries, k, allowed=choice.mask, threads=threads)
    rows, scores = _ranked(snapshot, queries, few, threads=threads)
    return rows[:, :k], scores[:, :k].astype(np.float32)


def within_reach(
    snapshot: Snapshot,
    queries: NDArray[np.float32],
    floors: NDArray[np.float64],
    choice: Choice,
    *,
    threads: int,
) -> Ranges:
    """Every row among the choice whose score reaches its query's floor [Q], best first."""
    few = _few(snapshot, queries, choice)
    if few is None:
        return within(
            queries,
            snapshot.rows,
            floors,
            codes=snapshot.codes,
            allowed=choice.mask,
            threads=threads,
        )
    rows, scores = _ranked(snapshot, queries, few, threads=threads)
    reached = scores >= floors[:, None]
    starts = np.zeros(len(queries) + 1, dtype=np.int64)
    np.cumsum(reached.sum(axis=1), out=starts[1:])
    return Ranges(starts=starts, ids=rows[reached], scores=scores[reached].astype(np.float32))


def _as_mask(wanted: Filter) -> NDArray[np.bool_] | None:
    if isinstance(wanted, np.ndarray):
        return wanted if wanted.dtype == np.bool_ else None
    if isinstance(wanted, (list, tuple)) and wanted and isinstance(wanted[0], bool):
        return np.asarray(wanted, dtype=np.bool_)
    return None


def _few(
    snapshot: Snapshot, queries: NDArray[np.float32], choice: Choice
) -> NDArray[np.int64] | None:
    """The rows of the choice, if they are so few that each is best scored by itself."""
    rows = choice.rows
    if rows is None or len(rows) * _FEW > len(snapshot):
        return None
    return rows if len(rows) * len(queries) <= _MOST_SCORES else None


def _ranked(
    snapshot: Snapshot, queries: NDArray[np.float32], rows: NDArray[np.int64], *, threads: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The rows [Q, C] in the order of their exact scores [Q, C]; of equals, the lower row first."""
    asked = np.ascontiguousarray(np.broadcast_to(rows, (len(queries), len(rows))))
    scores = rescore(queries, snapshot.rows, asked, threads=threads)
    order = np.argsort(-scores, axis=1, kind="stable")
    return np.take_along_axis(asked, order, axis=1), np.take_along_axis(scores, order, axis=1)
