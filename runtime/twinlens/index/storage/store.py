"""Protocol of the storage behind an index."""

from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from twinlens.index.blocks import RowBlock
from twinlens.index.ingest import Ingest
from twinlens.index.snapshot import Snapshot


class Store(Protocol):
    """Storage of the rows of an index: each change returns the snapshot after it."""

    def append(self, ingest: Ingest, blocks: Iterable[RowBlock]) -> Snapshot:
        """Append the blocks' rows to the snapshot of the ingest: all, or an error and none.

        Rows that they replace are removed in the same commit.
        """

    def remove(self, snapshot: Snapshot, rows: NDArray[np.int64]) -> Snapshot:
        """Remove rows from the snapshot."""

    def compact(self, snapshot: Snapshot, *, threads: int) -> Snapshot:
        """Keep only the live rows of the snapshot; they get new row numbers."""

    def holds(self, folder: Path) -> bool:
        """Return True if the folder has all rows already."""

    def verify(self, snapshot: Snapshot) -> None:
        """Read all data that may have changed unnoticed.

        Raises:
            IndexFileError: names the section and the rows that changed since.
        """
