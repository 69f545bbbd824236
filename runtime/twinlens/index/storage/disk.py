"""An index on disk: every change is committed before it is seen."""

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from twinlens.errors import IndexBusyError
from twinlens.index.blocks import RowBlock
from twinlens.index.ids import Sections
from twinlens.index.ingest import Ingest, living_pieces
from twinlens.index.layout import Layout
from twinlens.index.snapshot import Snapshot
from twinlens.index.storage.folder import LOCK, exclusive, require_target
from twinlens.index.storage.manifest import IndexManifest, read_manifest
from twinlens.index.storage.memory_map import map_snapshot, verify
from twinlens.index.storage.transaction import Transaction


class DiskStore:
    """The folder behind the snapshots of an opened index. One thread at a time may write."""

    def __init__(self, folder: Path, manifest: IndexManifest) -> None:
        self._folder, self._manifest = folder, manifest

    def append(self, snapshot: Snapshot, blocks: Iterable[RowBlock], *, threads: int) -> Snapshot:
        """The snapshot after it with the blocks' rows behind its own: all of them, or an error."""
        with self._writing() as draft:
            intake = Ingest(snapshot, threads=threads)
            n_rows = _extend(draft, (intake.sections(block) for block in blocks))
            if not n_rows:
                return snapshot
            manifest = draft.commit()
        after = map_snapshot(self._folder, manifest, lookup=snapshot.lookup)
        self._manifest = manifest
        return after

    def remove(self, snapshot: Snapshot, rows: NDArray[np.int64]) -> Snapshot:
        """The snapshot after it without these rows."""
        after = snapshot.without(rows)
        if after.live is not None and after.n_live < snapshot.n_live:
            with self._writing() as draft:
                self._manifest = draft.commit(live=after.live)
        return after

    def compact(self, snapshot: Snapshot, *, threads: int) -> Snapshot:
        """The snapshot after it with only the rows that are not removed, in files of their own."""
        centre = snapshot.centre_of_live()
        with (
            self._exclusive(),
            Transaction.anew(
                self._folder, snapshot.layout, centre, dict(self._manifest.about)
            ) as draft,
        ):
            _extend(draft, living_pieces(snapshot, centre=centre, threads=threads))
            manifest = draft.commit()
        after = map_snapshot(self._folder, manifest)
        self._manifest = manifest
        return after

    def verify(self, snapshot: Snapshot) -> None:
        """Read everything; IndexFileError names the section and the rows that changed since."""
        verify(self._folder, self._manifest, snapshot)

    @contextmanager
    def _writing(self) -> Iterator[Transaction]:
        with self._exclusive(), Transaction(self._folder, self._manifest) as draft:
            yield draft

    @contextmanager
    def _exclusive(self) -> Iterator[None]:
        """Be the only writer, and know of all that others have written."""
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
    """A draft of a new index at `folder`; one that is there stays until the draft is committed.

    Raises:
        IndexBusyError: another writer is at work there.
        OSError: the folder cannot be one of an index.
    """
    require_target(folder)
    fresh = not folder.exists()
    folder.mkdir(exist_ok=True)
    with exclusive(folder):
        try:
            with Transaction.anew(folder, layout, centre, dict(about)) as draft:
                yield draft
        except BaseException:
            if fresh:
                with contextlib.suppress(OSError):
                    (folder / LOCK).unlink()
                    folder.rmdir()
            raise


def write_pieces(
    draft: Transaction, pieces: Iterable[Sections], *, live: NDArray[np.bool_] | None = None
) -> None:
    """Write and commit all pieces; rows that are False in live [N] are removed."""
    _extend(draft, pieces)
    draft.commit(live=live)


def _extend(draft: Transaction, pieces: Iterable[Sections]) -> int:
    n_rows = 0
    for sections in pieces:
        if sections:
            draft.extend(sections)
            n_rows += len(sections["rows"])
    return n_rows
