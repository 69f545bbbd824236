"""Index: embeddings that can be searched by cosine, exactly."""

import json
import os
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Protocol, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from twinlens.errors import ProviderError
from twinlens.index.blocks import Embeddings, RowBlock, RowStream, blocks_of, mean_row
from twinlens.index.hits import Hits, RangeHits
from twinlens.index.ids import IdsLike
from twinlens.index.ingest import Ingest, pieces
from twinlens.index.layout import Layout
from twinlens.index.query import Filter, best_of, choose, read_queries, within_reach
from twinlens.index.searchable import Place, Searchable, on_host, place_of
from twinlens.index.snapshot import Snapshot
from twinlens.index.storage.disk import DiskStore, new_index, write_pieces
from twinlens.index.storage.memory import MemoryStore
from twinlens.index.storage.memory_map import open_folder
from twinlens.threads import usable_threads


class Store(Protocol):
    """Where the rows of an index are kept: each change gives the snapshot after it."""

    def append(self, snapshot: Snapshot, blocks: Iterable[RowBlock], *, threads: int) -> Snapshot:
        """With the blocks' rows behind those of the snapshot."""

    def remove(self, snapshot: Snapshot, rows: NDArray[np.int64]) -> Snapshot:
        """Without these rows."""

    def compact(self, snapshot: Snapshot, *, threads: int) -> Snapshot:
        """Without the removed rows, and with new row numbers."""

    def verify(self, snapshot: Snapshot) -> None:
        """Read everything that may have changed unseen."""


class Index:
    """Unit rows [N, D], searched by exact cosine; in memory, or in a folder on disk.

    Made by `build`, `write` and `open`. Any number of threads may search it while one of them
    changes it: a search answers for the rows of the moment at which it began.

    A row has a number, its place in the order in which rows were added, and keeps it until
    `compact`. It may have an id, an int64 number or a string, which it keeps for good.

    >>> index = Index.build(np.eye(3), ids=["red", "green", "blue"])
    >>> index.search(np.array([0.0, 3.0, 4.0]), k=2).ids
    array([['blue', 'green']], dtype=object)
    """

    def __init__(self, store: Store, snapshot: Snapshot, about: Mapping[str, str]) -> None:
        self._store = store
        self._place: Place = on_host
        self._now = Searchable.of(snapshot, on_host)
        self._about = MappingProxyType(dict(about))
        self._writing = threading.Lock()
        # To ask for a container's quota costs as much as a search among ten thousand rows.
        self._threads = usable_threads()

    @classmethod
    def build(
        cls,
        embeddings: Embeddings,
        *,
        ids: IdsLike | None = None,
        about: Mapping[str, str] | None = None,
        residual: bool = False,
        threads: int | None = None,
    ) -> Self:
        """An index in memory: 4 D + P + 12 bytes a row, P being D rounded up to 64.

        Its rows are copied and scaled to length 1. A zero row stays zero: its cosine with
        everything is 0.

        Args:
            embeddings: [N, D] floats; or a stream of blocks [n, D], which may each be a pair of
                ids [n] and such a block.
            ids: N int64 numbers or strings, none twice; without ids, row numbers serve.
            about: what to remember of the rows, such as the model that made them.
            residual: Keep a second code of P bytes a row: a search then reads next to no row that
                is not among its hits. For rows on a slow disk.
            threads: None for all that this process may use.

        Raises:
            IdError: An id is given twice.
            TypeError: The numbers are not floats, or an id is neither integer nor string.
            ValueError: There are not two dimensions, a row holds NaN or infinity, or the ids are
                not as many as the rows.
        """
        source = RowStream.of(embeddings, ids)
        store = MemoryStore(capacity=source.n_rows or 0)
        empty = _empty(source, residual=residual)
        n_threads = usable_threads() if threads is None else threads
        return cls(store, store.append(empty, source.blocks, threads=n_threads), _read_about(about))

    @classmethod
    def write(  # noqa: PLR0913 - `build`, and where to
        cls,
        path: str | os.PathLike[str],
        embeddings: Embeddings,
        *,
        ids: IdsLike | None = None,
        about: Mapping[str, str] | None = None,
        residual: bool = False,
        threads: int | None = None,
    ) -> Self:
        """As `build`, but straight into a folder at `path`, which is then opened.

        A stream may be of any length: some blocks are held at a time, and 40 bytes for an id. An
        index that is there is replaced when all has been written, and stays if it cannot be.

        Raises:
            IdError: An id is given twice.
            IndexBusyError: Another writer is at work there.
            OSError: The folder holds something else, or cannot be written.
            TypeError: As for `build`.
            ValueError: As for `build`.
        """
        folder, told = Path(path), _read_about(about)
        source = RowStream.of(embeddings, ids)
        empty = _empty(source, residual=residual)
        intake = Ingest(empty, threads=usable_threads() if threads is None else threads)
        with new_index(folder, empty.layout, empty.centre, told) as draft:
            write_pieces(draft, (intake.sections(block) for block in source.blocks))
        return cls.open(folder)

    @classmethod
    def open(cls, path: str | os.PathLike[str], *, verify: bool = False) -> Self:
        """Map an index on disk: in milliseconds at any size, also while a writer is at work.

        Args:
            path: the folder that `save` or `write` made.
            verify: read it all and compare its hashes, as the method `verify` does.

        Raises:
            IndexFileError: The folder is no index, or is damaged.
            OSError: It cannot be read.
        """
        folder = Path(path)
        manifest, snapshot = open_folder(folder)
        index = cls(DiskStore(folder, manifest), snapshot, manifest.about)
        if verify:
            index.verify()
        return index

    def __len__(self) -> int:
        """The number of rows that are not removed."""
        return self._now.snapshot.n_live

    def __repr__(self) -> str:
        return f"Index({len(self)} rows of width {self.width})"

    @property
    def width(self) -> int:
        """D, the numbers in a row."""
        return self._now.snapshot.layout.width

    @property
    def n_rows(self) -> int:
        """N, removed rows too: row numbers are below it, and a mask has as many items."""
        return len(self._now.snapshot)

    @property
    def about(self) -> Mapping[str, str]:
        """What was given as `about`."""
        return self._about

    def search(
        self,
        queries: ArrayLike,
        k: int = 10,
        *,
        filter: Filter | None = None,  # noqa: A002 - the word that every search library has for it
        threads: int | None = None,
    ) -> Hits:
        """The k rows nearest by cosine to each of [Q, D] float queries, or to one [D].

        Exact: the order is that of a float64 brute force over the rows as they are stored. There
        are fewer than k where fewer rows are left to choose among.

        Args:
            queries: Need not be of length 1; a zero query has cosine 0 with everything.
            k: At least 1.
            filter: Choose among these only: bool [N], one a row, removed rows too; or ids.
            threads: None for all that this process may use.

        Raises:
            IdError: An id of the filter is unknown, removed, or of another kind.
            TypeError: The numbers are not floats.
            ValueError: The width is another than the index has, a query holds NaN or infinity, k
                is below 1, or the mask has not one bool a row.
        """
        now = self._now
        snapshot = now.snapshot
        if k < 1:
            raise ValueError(f"k is {k}, wanted at least 1")
        rows, cosines = best_of(
            now,
            read_queries(queries, snapshot.layout.width),
            k,
            choose(snapshot, filter),
            threads=self._threads if threads is None else threads,
        )
        # Rounding a row to float32 can leave it a trifle longer than 1.
        np.clip(cosines, -1, 1, out=cosines)
        return Hits(ids=snapshot.ids_at(rows), cosines=cosines, rows=rows)

    def search_within(
        self,
        queries: ArrayLike,
        cosine: float,
        *,
        filter: Filter | None = None,  # noqa: A002 - as in `search`
        threads: int | None = None,
    ) -> RangeHits:
        """Every row whose cosine with a query is at least `cosine`, best first.

        Exact for the rows as they are stored: in float32, so that a row's cosine with itself may
        be a few 1e-8 short of 1.

        Args:
            queries: As for `search`.
            cosine: -1 finds all rows.
            filter: As for `search`.
            threads: As for `search`.

        Raises:
            ValueError: cosine is not between -1 and 1; else as for `search`.

        >>> found = Index.build(np.eye(3)).search_within([[0.0, 3.0, 4.0]], 0.5)
        >>> found.of(0).rows.tolist()
        [[2, 1]]
        """
        snapshot = self._now.snapshot
        if not -1 <= cosine <= 1:
            raise ValueError(f"cosine is {cosine}, not between -1 and 1")
        wanted = read_queries(queries, snapshot.layout.width)
        # A row may be a trifle longer than 1, and its opposite then has a score below -1.
        floor = float(cosine) if cosine > -1 else -np.inf
        found = within_reach(
            snapshot,
            wanted,
            np.full(len(wanted), floor),
            choose(snapshot, filter),
            threads=self._threads if threads is None else threads,
        )
        return RangeHits(
            starts=found.starts,
            ids=snapshot.ids_at(found.ids),
            cosines=np.clip(found.scores, -1, 1),
            rows=found.ids,
        )

    def add(
        self,
        embeddings: Embeddings,
        ids: IdsLike | None = None,
        *,
        threads: int | None = None,
    ) -> None:
        """Append rows: all of them, or an error and none. On disk, they are committed at once.

        Each commit waits for the disk: add many rows at a time. An index without rows takes the
        kind of ids that its first rows have.

        Args:
            embeddings: As for `build`.
            ids: As for `build`, of the kind that the index has. The id of a removed row is free.
            threads: None for all that this process may use.

        Raises:
            IdError: An id is given twice, is in the index already, or is of another kind.
            IndexBusyError: Another writer is at work, or was since this index was opened.
            ProviderError: The device has no room: the rows are added, and the CPU searches.
            TypeError: As for `build`.
            ValueError: As for `build`, or the width is another than the index has.
        """
        n_threads = self._threads if threads is None else threads
        with self._writing:
            blocks = blocks_of(embeddings, ids)
            self._become(self._store.append(self._now.snapshot, blocks, threads=n_threads))

    def remove(self, ids: IdsLike) -> None:
        """Remove the rows of these ids, or of these row numbers where the index has no ids.

        The rows are no longer found, and their ids are free. Their space is not: `compact` gives
        it back. Removing costs a byte a row, on disk a bit a row.

        Raises:
            IdError: An id is unknown, removed already, or of another kind: none is removed.
            IndexBusyError: Another writer is at work, or was since this index was opened.
        """
        with self._writing:
            snapshot = self._now.snapshot
            self._become(self._store.remove(snapshot, snapshot.find(ids)))

    def compact(self, *, threads: int | None = None) -> None:
        """Give back the space of removed rows, and make new codes of the others.

        Those behind a removed row get a lower number; ids stay. On disk, all is written anew
        beside the old files, which are deleted when the new ones are committed. It is also worth
        its time once most rows were added after the index was built, and are unlike the first.

        Raises:
            IndexBusyError: Another writer is at work, or was since this index was opened.
        """
        n_threads = self._threads if threads is None else threads
        with self._writing:
            self._become(self._store.compact(self._now.snapshot, threads=n_threads))

    def to(self, device: str, *, device_bytes: int | None = None) -> Self:
        """Search on another device from now on; the answers stay the same. Returns the index.

        A device holds 2 D bytes a row, and gets all rows anew after `add` and `compact`: add many
        rows at a time. `search_within`, and a filter of few ids, are answered by the CPU.

        Args:
            device: "cpu", "cuda", "cuda:1" or "auto".
            device_bytes: how much of its memory the rows may take; the CPU searches those that do
                not fit. None for all rows.

        Raises:
            ProviderError: The device cannot be used, or has no room: nothing has changed.
            ValueError: The name means no device.
        """
        place = place_of(device, device_bytes=device_bytes)
        with self._writing:
            self._now = Searchable.of(self._now.snapshot, place)
            self._place = place
        return self

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the index to a folder: it is there at once and whole, or what was there stays.

        Removed rows are written too, so that row numbers hold.

        Raises:
            IndexBusyError: Another writer is at work there.
            OSError: The folder holds something else, or cannot be written.
        """
        snapshot = self._now.snapshot
        with new_index(Path(path), snapshot.layout, snapshot.centre, self._about) as draft:
            write_pieces(draft, pieces(snapshot), live=snapshot.live)

    def verify(self) -> None:
        """Read an opened index whole; IndexFileError names what changed since it was written."""
        with self._writing:
            self._store.verify(self._now.snapshot)

    def _become(self, snapshot: Snapshot) -> None:
        """Show a change that is made to searches: from here on, to all of them."""
        try:
            self._now = self._now.then(snapshot, self._place)
        except ProviderError:
            # The rows are there, so they must be found, if only by the CPU; the caller is told.
            self._now, self._place = Searchable.of(snapshot, on_host), on_host
            raise


def _empty(source: RowStream, *, residual: bool) -> Snapshot:
    """An index that the source's rows may join."""
    layout = Layout(width=source.sample.shape[1], residual=residual, ids="none")
    return Snapshot.of(layout, {}, mean_row(source.sample))


def _read_about(about: Mapping[str, str] | None) -> dict[str, str]:
    told = dict(about or {})
    for name, value in told.items():
        if not isinstance(name, str) or not isinstance(value, str):
            raise TypeError(f"about says {name!r}: {value!r}, wanted strings")
    if json.loads(json.dumps(told)) != told:
        raise ValueError("about holds letters that JSON cannot tell apart; write it otherwise")
    return told
