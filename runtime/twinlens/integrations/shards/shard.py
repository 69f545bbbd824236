"""Shard of an index: the folder behind one actor, and its answers with exact cosines."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from twinlens.errors import CodesOnlyError
from twinlens.index.arrays.layout import IdKind
from twinlens.index.blocks import blocks_of
from twinlens.index.filters import Selection
from twinlens.index.ids import Ids
from twinlens.index.ingest import Ingest
from twinlens.index.query import range_rows, topk_rows
from twinlens.index.searchable import Searchable, cpu_engine
from twinlens.index.snapshot import Snapshot
from twinlens.index.storage.disk import DiskStore
from twinlens.index.storage.memory_map import open_folder

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
I64 = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardFilter:
    """Rows of a shard that a search may return: all of them by default."""

    mask: NDArray[np.bool_] | None = None
    """Bools, one a row of the shard."""
    ids: Ids | None = None
    """Ids, of which the shard may have none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardState:
    """State of a shard: enough to tell that an actor reads the rows that were opened."""

    files: tuple[int, str]
    """Epoch of its files, and the hash of their centre: other files have others."""
    n_rows: int
    """Including removed rows."""
    n_live: int
    width: int
    ids: IdKind
    about: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardHits:
    """Rows of one shard that were found, with the cosines that the whole index would compare."""

    state: ShardState
    rows: I64
    """[Q, K], or [M] of a range search; numbers within the shard."""
    cosines: F64
    """Of each row, not rounded."""
    ids: I64 | NDArray[np.object_] | None
    """Of each row; None where row numbers serve as ids."""
    starts: I64 | None = None
    """[Q + 1], of a range search only."""
    allowed: NDArray[np.bool_] | None = None
    """[M], True for the ids of the filter that are in this shard; None without ids."""


class IndexShard:
    """Index in a folder, answering for one shard; the actors of `ShardedIndex` run it."""

    def __init__(self, path: str | os.PathLike[str], *, threads: int) -> None:
        self._folder, self._threads = Path(path).absolute(), threads
        manifest, snapshot = open_folder(self._folder)
        if manifest.layout.codes_only:
            raise CodesOnlyError(
                f"{self._folder} keeps codes alone, and shards compare exact cosines; write it "
                "without codes_only, or open it by Index.open"
            )
        self._store = DiskStore(self._folder, manifest)
        # Neither changes by `add` or `remove`.
        self._files, self._about = (manifest.epoch, manifest.centre), dict(manifest.about)
        self._current = Searchable.of(snapshot, cpu_engine)

    def state(self, _: None = None) -> ShardState:
        """Return the state of the rows that it searches now."""
        return self._state(self._snapshot())

    def topk(self, queries: F32, k: int, wanted: ShardFilter) -> ShardHits:
        """Find the k best selected rows of each unit query [Q, D]."""
        snapshot, threads = self._snapshot(), self._threads
        choice = _Choice.of(snapshot, wanted)
        rows, cosines = topk_rows(self._current, queries, k, choice.selection, threads=threads)
        return self._hits(snapshot, rows, cosines, allowed=choice.found)

    def within(self, queries: F32, cosine: float, wanted: ShardFilter) -> ShardHits:
        """Find all selected rows with at least this cosine with a unit query of [Q, D]."""
        snapshot = self._snapshot()
        choice = _Choice.of(snapshot, wanted)
        found = range_rows(snapshot, queries, cosine, choice.selection, threads=self._threads)
        return self._hits(
            snapshot, found.ids, found.scores, starts=found.starts, allowed=choice.found
        )

    def rows_of(self, ids: Ids) -> I64:
        """Return the live row [M] of each id in this shard, or -1."""
        return _rows_of(self._snapshot(), ids)

    def add(self, rows: NDArray[np.floating], ids: Ids | None) -> ShardState:
        """Append rows [n, D] in one commit; return the state after it."""
        ingest = Ingest(self._snapshot(), threads=self._threads)
        return self._publish(self._store.append(ingest, blocks_of(rows, ids)))

    def remove(self, rows: I64) -> ShardState:
        """Remove live rows by their numbers in one commit; return the state after it."""
        return self._publish(self._store.remove(self._snapshot(), rows))

    def _snapshot(self) -> Snapshot:
        self._current.snapshot.require_whole()
        return self._current.snapshot

    def _publish(self, snapshot: Snapshot) -> ShardState:
        self._current = self._current.after(snapshot, cpu_engine)
        return self._state(snapshot)

    def _state(self, snapshot: Snapshot) -> ShardState:
        return ShardState(
            files=self._files,
            n_rows=len(snapshot),
            n_live=snapshot.n_live,
            width=snapshot.layout.width,
            ids=snapshot.layout.ids,
            about=self._about,
        )

    def _hits(
        self,
        snapshot: Snapshot,
        rows: I64,
        cosines: F64,
        *,
        starts: I64 | None = None,
        allowed: NDArray[np.bool_] | None,
    ) -> ShardHits:
        return ShardHits(
            state=self._state(snapshot),
            rows=rows,
            cosines=cosines,
            ids=None if snapshot.layout.ids == "none" else snapshot.ids_at(rows),
            starts=starts,
            allowed=allowed,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Choice:
    """Selected rows of a shard."""

    selection: Selection
    found: NDArray[np.bool_] | None = None
    """[M], True for the ids that the shard has."""

    @classmethod
    def of(cls, snapshot: Snapshot, wanted: ShardFilter) -> Self:
        if wanted.ids is not None:
            rows = _rows_of(snapshot, wanted.ids)
            found = rows >= 0
            return cls(selection=Selection.of_rows(snapshot, np.unique(rows[found])), found=found)
        if wanted.mask is None:
            return cls(selection=Selection(mask=snapshot.live))
        # Rows that were added since the mask was made are not asked for.
        mask = np.zeros(len(snapshot), dtype=np.bool_)
        mask[: len(wanted.mask)] = wanted.mask
        return cls(selection=Selection.of_mask(snapshot, mask))


def _rows_of(snapshot: Snapshot, ids: Ids) -> I64:
    # Without rows, a shard has no kind of ids that could be compared.
    return snapshot.rows_of(ids) if len(snapshot) else np.full(len(ids), -1, dtype=np.int64)
