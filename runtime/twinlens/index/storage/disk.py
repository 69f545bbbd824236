"""Storage of an index on disk: every change is committed before a search sees it."""

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from twinlens.errors import IndexBusyError
from twinlens.index.arrays.layout import Layout
from twinlens.index.blocks import RowBlock
from twinlens.index.ids import Sections
from twinlens.index.ingest import Ingest, live_pieces
from twinlens.index.snapshot import Snapshot
from twinlens.index.storage.folder import HELD, LOCK, exclusive, require_target
from twinlens.index.storage.manifest import IndexManifest, read_manifest
from twinlens.index.storage.memory_map import map_snapshot, verify
from twinlens.index.storage.transaction import Transaction


class DiskStore:
    """Folder behind the snapshots of an opened index. One thread at a time may write."""

    def __init__(self, folder: Path, manifest: IndexManifest) -> None:
        self._folder, self._manifest = folder, manifest

    def append(self, ingest: Ingest, blocks: Iterable[RowBlock]) -> Snapshot:
        """Append the blocks' rows to the snapshot of the ingest: all, or an error and none."""
        with self._writing() as transaction:
            n_rows = _extend(transaction, (ingest.sections(block) for block in blocks))
            if not n_rows:
                return ingest.snapshot
            kept = ingest.kept()
            replaced = kept.n_live < ingest.snapshot.n_live
            manifest = transaction.commit(live=kept.live if replaced else None)
        after = map_snapshot(self._folder, manifest, lookup=kept.lookup)
        self._manifest = manifest
        return after

    def remove(self, snapshot: Snapshot, rows: NDArray[np.int64]) -> Snapshot:
        """Remove rows from the snapshot."""
        after = snapshot.without(rows)
        if after.live is not None and after.n_live < snapshot.n_live:
            with self._writing() as transaction:
                self._manifest = transaction.commit(live=after.live)
        return after

    def compact(self, snapshot: Snapshot, *, threads: int) -> Snapshot:
        """Keep only the live rows of the snapshot, in new files."""
        centre = snapshot.centre_of_live()
        with (
            self._exclusive(),
            Transaction.new_index(
                self._folder, snapshot.layout, centre, dict(self._manifest.about)
            ) as transaction,
        ):
            _extend(transaction, live_pieces(snapshot, centre=centre, threads=threads))
            manifest = transaction.commit()
        after = map_snapshot(self._folder, manifest)
        self._manifest = manifest
        return after

    def holds(self, folder: Path) -> bool:
        """Return True if `folder` is that of this store: every change is committed there.

        Raises:
            IndexBusyError: another writer is at work there, or has changed it.
        """
        try:
            same = folder.samefile(self._folder)
        except OSError:  # one of them is no more
            return False
        if same:
            with self._exclusive():
                pass
        return same

    def verify(self, snapshot: Snapshot) -> None:
        """Read everything.

        Raises:
            IndexFileError: names the section and the rows that changed since.
        """
        verify(self._folder, self._manifest, snapshot)

    @contextmanager
    def _writing(self) -> Iterator[Transaction]:
        with self._exclusive(), Transaction(self._folder, self._manifest) as transaction:
            yield transaction

    @contextmanager
    def _exclusive(self) -> Iterator[None]:
        """Lock the folder; refuse if another writer has changed it."""
        with exclusive(self._folder):
            if read_manifest(self._folder) != self._manifest:
                raise IndexBusyError(
                    f"{self._folder} was changed by another writer since it was opened; "
                    "open it again"
                )
            yield


@contextmanager
def new_index(
    folder: Path, layout: Layout, centre: NDArray[np.float32], about: Mapping[str, str]
) -> Iterator[Transaction]:
    """Begin a new index at `folder`; an existing one stays until the commit.

    Raises:
        IndexBusyError: another writer is at work there.
        OSError: the folder cannot hold an index.
    """
    require_target(folder)
    fresh = not folder.exists()
    folder.mkdir(exist_ok=True)
    with exclusive(folder):
        try:
            with Transaction.new_index(folder, layout, centre, dict(about)) as transaction:
                yield transaction
        except BaseException:
            if fresh:
                with contextlib.suppress(OSError):
                    (folder / LOCK).unlink()
                    (folder / HELD).unlink(missing_ok=True)
                    folder.rmdir()
            raise


def write_pieces(
    transaction: Transaction, pieces: Iterable[Sections], *, live: NDArray[np.bool_] | None = None
) -> None:
    """Write and commit all pieces; rows with False in live [N] are removed."""
    _extend(transaction, pieces)
    transaction.commit(live=live)


def _extend(transaction: Transaction, pieces: Iterable[Sections]) -> int:
    n_rows = 0
    for sections in pieces:
        if sections:
            transaction.extend(sections)
            n_rows += len(sections["codes"])
    return n_rows
