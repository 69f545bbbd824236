"""Storage of an index in memory: its sections grow in place."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twinlens.index.arrays.growable_array import GrowableArray
from twinlens.index.arrays.layout import ID_TEXT, Layout
from twinlens.index.blocks import RowBlock
from twinlens.index.id_lookup import IdLookup
from twinlens.index.ids import Sections
from twinlens.index.ingest import Ingest, live_pieces
from twinlens.index.snapshot import Snapshot


class MemoryStore:
    """Arrays behind the snapshots of an index in memory. One thread at a time may write."""

    def __init__(self, *, capacity: int = 0) -> None:
        self._columns: dict[str, GrowableArray] = {}
        self._capacity = capacity

    def append(self, ingest: Ingest, blocks: Iterable[RowBlock]) -> Snapshot:
        """Append the blocks' rows to the snapshot of the ingest: all, or an error and none."""
        before = {name: len(column) for name, column in self._columns.items()}
        try:
            self._extend(ingest.sections(block) for block in blocks)
        except BaseException:
            for name, column in self._columns.items():
                column.cut(before.get(name, 0))
            raise
        kept = ingest.kept()
        return self._snapshot(kept.layout, kept.centre, live=kept.live, lookup=kept.lookup)

    def remove(self, snapshot: Snapshot, rows: NDArray[np.int64]) -> Snapshot:
        """Remove rows from the snapshot."""
        return snapshot.without(rows)

    def compact(self, snapshot: Snapshot, *, threads: int) -> Snapshot:
        """Keep only the live rows of the snapshot."""
        centre = snapshot.centre_of_live()
        fresh = MemoryStore(capacity=snapshot.n_live)
        fresh._extend(live_pieces(snapshot, centre=centre, threads=threads))
        self._columns = fresh._columns
        return self._snapshot(snapshot.layout, centre, live=None, lookup=IdLookup())

    def holds(self, folder: Path) -> bool:  # noqa: ARG002 - of the protocol
        """Return False: no folder holds it."""
        return False

    def verify(self, snapshot: Snapshot) -> None:
        """Do nothing: memory cannot be changed from outside."""

    def _extend(self, pieces: Iterable[Sections]) -> None:
        for sections in pieces:
            n_text_bytes = len(self._columns[ID_TEXT]) if ID_TEXT in self._columns else 0
            for name, part in sections.items():
                if name not in self._columns:
                    capacity = 0 if name == ID_TEXT else self._capacity
                    self._columns[name] = GrowableArray.like(part, capacity=capacity)
                self._columns[name].extend(part + n_text_bytes if name == "id_ends" else part)

    def _snapshot(
        self,
        layout: Layout,
        centre: NDArray[np.float32],
        *,
        live: NDArray[np.bool_] | None,
        lookup: IdLookup,
    ) -> Snapshot:
        sections: dict[str, NDArray[Any]] = {
            name: column.view for name, column in self._columns.items() if len(column)
        }
        n_rows = len(sections.get("codes", ()))
        return Snapshot.of(
            layout.holding(sections) if n_rows else layout,
            sections,
            centre,
            live=_extend_live(live, n_rows),
            lookup=lookup,
        )


def _extend_live(live: NDArray[np.bool_] | None, n_rows: int) -> NDArray[np.bool_] | None:
    """Extend a mask of live rows to [N] by True for the appended ones."""
    if live is None:
        return None
    return np.concatenate([live, np.ones(n_rows - len(live), dtype=np.bool_)])
