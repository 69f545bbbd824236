"""Query of an index: unit rows of the queries, and the exact search of the selected rows."""

from functools import partial
from numbers import Real
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from twinlens.errors import quoted
from twinlens.index.coded.engine import CodesEngine
from twinlens.index.coded.query import CodedQuery
from twinlens.index.filters import Selection
from twinlens.index.hits import Hits, RangeHits
from twinlens.index.ids import repr_of
from twinlens.index.searchable import Searchable
from twinlens.index.snapshot import Snapshot
from twinlens.normalization import are_unit, read_floats, unit_rows
from twinlens.search.cosines import Cosines, RangeSearch, nearest, reaching, reported
from twinlens_kernels import Ranges, within

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

_ROWS_PER_ALLOWED: Final = 256
"""Below 1 allowed row in 256, scoring those rows directly beats scanning all codes."""
_MOST_SCORES: Final = 2**22
"""Most scores of a direct search: 32 MiB of float64."""


def read_queries(queries: ArrayLike, width: int) -> NDArray[np.float32]:
    """Scale [Q, D] float queries, or one [D], to unit rows [Q, D].

    Raises:
        TypeError: The numbers are not floats.
        ValueError: The width is another than that of the index, or a query holds NaN or infinity.
    """
    given = read_floats(queries)
    rows = given[None] if given.ndim == 1 else given
    wanted = rows.view(np.float32) if are_unit(rows) else unit_rows(rows)
    if wanted.shape[1] != width:
        raise ValueError(
            f"queries have width {wanted.shape[1]}, but the index has width {width}; "
            "embed both with the same model"
        )
    return wanted


def read_cosine(cosine: float) -> float:
    """Return the least cosine of a range search.

    Raises:
        TypeError: It is no number.
        ValueError: It is not between -1 and 1.
    """
    if isinstance(cosine, (bool, np.bool_)) or not isinstance(cosine, Real):
        raise TypeError(f"cosine is a {type(cosine).__name__}, wanted a number from -1 to 1")
    if not -1 <= cosine <= 1:
        raise ValueError(f"cosine is {quoted(repr_of(cosine))}, not between -1 and 1")
    return float(cosine)


def search_topk(
    searchable: Searchable,
    queries: NDArray[np.float32],
    k: int,
    selection: Selection,
    *,
    threads: int,
) -> Hits:
    """Find the k best selected rows of each query, or all of them if there are fewer."""
    if isinstance(searchable.engine, CodesEngine):
        found = _coded(searchable, queries, selection, threads=threads).topk(k)
        return Hits(
            ids=searchable.snapshot.ids_at(found.rows),
            cosines=reported(found.cosines),
            rows=found.rows,
            errors=found.errors,
            proven=found.proven,
        )
    rows, cosines = topk_rows(searchable, queries, k, selection, threads=threads)
    ids = searchable.snapshot.ids_at(rows)
    return Hits(ids=ids, cosines=reported(cosines), rows=rows)


def topk_rows(
    searchable: Searchable,
    queries: NDArray[np.float32],
    k: int,
    selection: Selection,
    *,
    threads: int,
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return rows and cosines [Q, K] of the k best selected rows of each query [Q, D]."""
    snapshot = searchable.snapshot
    wanted = Cosines(queries=queries, rows=snapshot.rows)
    few = _few_rows(snapshot, queries, selection)
    if few is None:
        engine = searchable.engine
        return nearest(
            wanted,
            k,
            by_score=partial(engine.topk, allowed=selection.mask, threads=threads),
            within=_scan(snapshot, selection, threads=threads),
            threads=threads,
        )
    ranked, exact = _ranked(wanted, few, threads=threads)
    return ranked[:, :k], exact[:, :k]


def search_range(
    searchable: Searchable,
    queries: NDArray[np.float32],
    cosine: float,
    selection: Selection,
    *,
    threads: int,
) -> RangeHits:
    """Find all selected rows whose reported cosine with a query is at least this, as float32."""
    snapshot = searchable.snapshot
    if isinstance(searchable.engine, CodesEngine):
        bounded = _coded(searchable, queries, selection, threads=threads).within(np.float32(cosine))
        return RangeHits(
            starts=bounded.found.starts,
            ids=snapshot.ids_at(bounded.found.ids),
            cosines=reported(bounded.found.scores),
            rows=bounded.found.ids,
            errors=bounded.errors,
            proven=bounded.proven,
        )
    found = range_rows(snapshot, queries, cosine, selection, threads=threads)
    return RangeHits(
        starts=found.starts,
        ids=snapshot.ids_at(found.ids),
        cosines=reported(found.scores),
        rows=found.ids,
    )


def range_rows(
    snapshot: Snapshot,
    queries: NDArray[np.float32],
    cosine: float,
    selection: Selection,
    *,
    threads: int,
) -> Ranges:
    """Return the rows of `search_range`, with their cosines as scores."""
    wanted, floor = Cosines(queries=queries, rows=snapshot.rows), np.float32(cosine)
    few = _few_rows(snapshot, queries, selection)
    if few is None:
        return reaching(wanted, floor, within=_scan(snapshot, selection, threads=threads))
    rows, exact = _ranked(wanted, few, threads=threads)
    reached = reported(exact) >= floor
    starts = np.zeros(len(queries) + 1, dtype=np.int64)
    np.cumsum(reached.sum(axis=1), out=starts[1:])
    return Ranges(starts=starts, ids=rows[reached], scores=exact[reached])


def _coded(
    searchable: Searchable, queries: NDArray[np.float32], selection: Selection, *, threads: int
) -> CodedQuery:
    assert isinstance(searchable.engine, CodesEngine)
    return CodedQuery(
        snapshot=searchable.snapshot,
        engine=searchable.engine,
        queries=queries,
        allowed=selection.mask,
        few=_few_rows(searchable.snapshot, queries, selection),
        threads=threads,
    )


def _scan(snapshot: Snapshot, selection: Selection, *, threads: int) -> RangeSearch:
    """Return the range search of the selected rows by score."""

    # Names for the types: an annotation is evaluated at each call, NDArray[...] for 4 us.
    def search(queries: F32, floors: F64) -> Ranges:
        return within(
            queries,
            snapshot.rows,
            floors,
            codes=snapshot.codes,
            allowed=selection.mask,
            threads=threads,
        )

    return search


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
