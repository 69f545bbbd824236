"""Index of embeddings: exact search by cosine."""

import os
import threading
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Self

from numpy.typing import ArrayLike

from twinlens.errors import ProviderError
from twinlens.index.blocks import Embeddings, RowStream, blocks_of, mean_row
from twinlens.index.filters import Filter, select
from twinlens.index.hits import Hits, RangeHits
from twinlens.index.ids import IdsLike
from twinlens.index.ingest import Ingest, pieces
from twinlens.index.layout import Layout
from twinlens.index.query import read_cosine, read_queries, search_range, search_topk
from twinlens.index.searchable import EngineFactory, Searchable, cpu_engine, engine_factory
from twinlens.index.snapshot import Snapshot
from twinlens.index.storage.disk import DiskStore, new_index, write_pieces
from twinlens.index.storage.manifest import read_about
from twinlens.index.storage.memory import MemoryStore
from twinlens.index.storage.memory_map import open_folder
from twinlens.index.storage.store import Store
from twinlens.threads import usable_threads
from twinlens_kernels.validation import at_most_useful, require_positive


class Index:
    """Unit rows [N, D], searched by exact cosine; in memory, or in a folder on disk.

    Made by `build`, `write` and `open`. Any number of threads may search it while one thread
    changes it: a search sees the rows as they were when it began.

    A row has a number, in the order of addition, and keeps it until `compact`. It may have an id,
    an int64 number or a string, which it keeps for good.

    >>> import numpy as np
    >>> index = Index.build(np.eye(3), ids=["red", "green", "blue"])
    >>> index.search(np.array([0.0, 3.0, 4.0]), k=2).ids
    array([['blue', 'green']], dtype=object)
    """

    def __init__(self, store: Store, snapshot: Snapshot, about: Mapping[str, str]) -> None:
        self._store = store
        self._make_engine: EngineFactory = cpu_engine
        self._current = Searchable.of(snapshot, cpu_engine)
        self._about = MappingProxyType(dict(about))
        self._writing = threading.Lock()
        # Reading a container's quota costs as much as a search among ten thousand rows.
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
        """Build an index in memory: 4 D + P + 12 bytes a row, P being D rounded up to 64.

        The rows are copied and scaled to length 1. A zero row stays zero: its cosine with any
        query is 0.

        Args:
            embeddings: [N, D] floats, or a column of N vectors, of numpy, torch, pandas, polars or
                pyarrow; or a stream of such blocks [n, D], which may each be a pair of ids [n] and
                such a block.
            ids: N int64 numbers or strings, none twice; without ids, row numbers are used.
            about: Metadata of the rows, such as the model that embedded them.
            residual: Keep a second code of P bytes a row: a search then reads almost no row that
                is not a hit. For rows on a slow disk.
            threads: Number of threads; None for all that this process may use.

        Raises:
            IdError: An id is given twice.
            TypeError: The numbers are not floats, or an id is neither integer nor string.
            ValueError: There are not two dimensions, a row holds NaN or infinity, or the ids are
                not as many as the rows.
        """
        stream = RowStream.of(embeddings, ids)
        store = MemoryStore(capacity=stream.n_rows or 0)
        empty = _empty_snapshot(stream, residual=residual)
        n_threads = _threads(threads)
        return cls(store, store.append(empty, stream.blocks, threads=n_threads), read_about(about))

    @classmethod
    def write(  # noqa: PLR0913 - `build`, and a path
        cls,
        path: str | os.PathLike[str],
        embeddings: Embeddings,
        *,
        ids: IdsLike | None = None,
        about: Mapping[str, str] | None = None,
        residual: bool = False,
        threads: int | None = None,
    ) -> Self:
        """Build an index in a folder at `path`, and open it; the arguments are those of `build`.

        A stream may be of any length: memory holds a few blocks, and 40 bytes for an id. An
        existing index is replaced when the new one is complete, and stays if writing fails.

        Raises:
            IdError: An id is given twice.
            IndexBusyError: Another writer is at work there.
            OSError: The folder holds something else, or cannot be written.
            TypeError: As for `build`.
            ValueError: As for `build`.
        """
        folder, metadata = Path(path).absolute(), read_about(about)
        stream = RowStream.of(embeddings, ids)
        empty = _empty_snapshot(stream, residual=residual)
        ingest = Ingest(empty, threads=_threads(threads))
        with new_index(folder, empty.layout, empty.centre, metadata) as transaction:
            write_pieces(transaction, (ingest.sections(block) for block in stream.blocks))
        return cls.open(folder)

    @classmethod
    def open(cls, path: str | os.PathLike[str], *, verify: bool = False) -> Self:
        """Map an index on disk into memory: in milliseconds at any size, also during a write.

        Checked at opening are the manifest by its own hash, the centre and the removed rows by
        theirs, and the size of every file. Rows, codes and ids are not read: a bit that changed in
        them may change an answer, and only `verify` finds it for sure. A hit that is not finite or
        not of length 1 is an IndexFileError of its search, and so is a file that was cut since.

        Replace an index by `save`, `write` or a rename of its folder, never by writing into its
        files (`cp`, `rsync --inplace`): cutting a file during a search ends the searching process
        by SIGBUS, as it does for any mapped file.

        Args:
            path: folder made by `save` or `write`. A relative one stays that of this moment, also
                if the process changes its folder.
            verify: read everything and compare the hashes, as the method `verify` does.

        Raises:
            IndexFileError: The folder is no index, or is damaged.
            OSError: It cannot be read.
        """
        folder = Path(path).absolute()
        manifest, snapshot = open_folder(folder)
        index = cls(DiskStore(folder, manifest), snapshot, manifest.about)
        if verify:
            index.verify()
        return index

    def __len__(self) -> int:
        """Return the number of rows, without removed ones."""
        return self._current.snapshot.n_live

    def __repr__(self) -> str:
        return f"Index({len(self)} rows of width {self.width})"

    @property
    def width(self) -> int:
        """D, the width of a row."""
        return self._current.snapshot.layout.width

    @property
    def n_rows(self) -> int:
        """N, including removed rows: row numbers are below it, and a mask has N items."""
        return len(self._current.snapshot)

    @property
    def about(self) -> Mapping[str, str]:
        """Metadata given as `about`."""
        return self._about

    def search(
        self,
        queries: ArrayLike,
        k: int = 10,
        *,
        filter: Filter | None = None,  # noqa: A002 - the word of all search libraries
        threads: int | None = None,
    ) -> Hits:
        """Find the k nearest rows by cosine to each of [Q, D] float queries, or to one [D].

        Exact: ids and order are those of a float64 brute force over the stored rows, by their true
        cosine: divided by both lengths, for float32 rows are 1 +- 4e-8 long. There are fewer than k
        hits if the filter leaves fewer rows.

        Args:
            queries: Of any length; a zero query has cosine 0 with every row.
            k: Number of hits, at least 1.
            filter: Rows to search: bool [N], one a row including removed ones; or ids. Both may be
                columns of other libraries. A mask of integers 0 and 1 is refused: they may be ids.
            threads: Number of threads; None for all that this process may use.

        Raises:
            IdError: An id of the filter is unknown, removed, or of another kind.
            IndexFileError: A file of the index was cut or damaged since it was opened.
            TypeError: The numbers are not floats, or k is no integer.
            ValueError: The width is another than that of the index, a query holds NaN or infinity,
                k is below 1, or the mask does not have one bool a row.
        """
        current = self._whole()
        require_positive("k", k)
        return search_topk(
            current,
            read_queries(queries, current.snapshot.layout.width),
            k,
            select(current.snapshot, filter),
            threads=self._threads_of(threads),
        )

    def search_within(
        self,
        queries: ArrayLike,
        cosine: float,
        *,
        filter: Filter | None = None,  # noqa: A002 - as in `search`
        threads: int | None = None,
    ) -> RangeHits:
        """Find all rows with a cosine of at least `cosine` with a query, best first.

        Exact, and as `search` says: a row is found if its cosine as a float32 number, which both
        searches report, is at least `cosine` as a float32 number.

        Args:
            queries: As for `search`.
            cosine: -1 finds all rows.
            filter: As for `search`.
            threads: As for `search`.

        Raises:
            TypeError: cosine is no number; else as for `search`.
            ValueError: cosine is not between -1 and 1; else as for `search`.

        >>> index = Index.build([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
        >>> found = index.search_within([[0.0, 3.0, 4.0]], 0.5)
        >>> found.of(0).rows.tolist()
        [[2, 1]]
        """
        snapshot = self._whole().snapshot
        floor = read_cosine(cosine)
        return search_range(
            snapshot,
            read_queries(queries, snapshot.layout.width),
            floor,
            select(snapshot, filter),
            threads=self._threads_of(threads),
        )

    def add(
        self,
        embeddings: Embeddings,
        ids: IdsLike | None = None,
        *,
        threads: int | None = None,
    ) -> None:
        """Append rows: all of them, or an error and none. On disk, this is one commit.

        Each commit waits for the disk: add many rows at a time. An index without rows takes the
        kind of ids of its first rows.

        Args:
            embeddings: As for `build`.
            ids: As for `build`, of the kind of the index. The id of a removed row is free.
            threads: Number of threads; None for all that this process may use.

        Raises:
            IdError: An id is given twice, is in the index already, or is of another kind.
            IndexBusyError: Another writer is at work, or was since this index was opened.
            ProviderError: The device is out of memory: the rows are added, and the CPU searches.
            TypeError: As for `build`.
            ValueError: As for `build`, or the width is another than that of the index.
        """
        n_threads = self._threads_of(threads)
        with self._writing:
            blocks = blocks_of(embeddings, ids)
            self._publish(self._store.append(self._whole().snapshot, blocks, threads=n_threads))

    def remove(self, ids: IdsLike) -> None:
        """Remove the rows of these ids, or of these row numbers if the index has no ids.

        The rows are no longer found, and their ids are free. `compact` frees their space. Removing
        costs a byte a row, on disk a bit a row.

        Raises:
            IdError: An id is unknown, removed already, or of another kind: none is removed.
            IndexBusyError: Another writer is at work, or was since this index was opened.
        """
        with self._writing:
            snapshot = self._whole().snapshot
            self._publish(self._store.remove(snapshot, snapshot.find(ids)))

    def compact(self, *, threads: int | None = None) -> None:
        """Free the space of removed rows, and encode the others anew.

        Rows behind a removed one get a lower number; ids stay. On disk, new files are written
        beside the old ones, which are deleted after the commit. It also pays once most rows were
        added after the index was built and differ from the first ones.

        Raises:
            IndexBusyError: Another writer is at work, or was since this index was opened.
        """
        n_threads = self._threads_of(threads)
        with self._writing:
            self._publish(self._store.compact(self._whole().snapshot, threads=n_threads))

    def to(self, device: str, *, device_bytes: int | None = None) -> Self:
        """Search on another device from now on, with the same results; returns the index.

        A device holds 2 D bytes a row, and gets all rows anew after `add` and `compact`: add many
        rows at a time. The CPU runs `search_within`, and searches with a filter of few ids.

        Args:
            device: "cpu", "cuda", "cuda:1" or "auto".
            device_bytes: Device memory for the rows; the CPU searches the rest. None for all rows.

        Raises:
            ProviderError: The device cannot be used, or is out of memory: nothing has changed.
            ValueError: The name is not that of a device.
        """
        make_engine = engine_factory(device, device_bytes=device_bytes)
        with self._writing:
            self._current = Searchable.of(self._whole().snapshot, make_engine)
            self._make_engine = make_engine
        return self

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the index to a folder atomically: an existing index stays until the commit.

        Removed rows are written too, so row numbers stay. The folder that the index was opened from
        holds every change already: nothing is written there.

        Raises:
            IndexBusyError: Another writer is at work there, or has changed the folder that the
                index was opened from.
            OSError: The folder holds something else, or cannot be written.
        """
        folder = Path(path).absolute()
        with self._writing:
            snapshot = self._whole().snapshot
            if self._store.holds(folder):
                return
        with new_index(folder, snapshot.layout, snapshot.centre, self._about) as transaction:
            write_pieces(transaction, pieces(snapshot), live=snapshot.live)

    def verify(self) -> None:
        """Read an opened index as a whole and compare its hashes.

        Raises:
            IndexFileError: names the section and the rows that changed since they were written.
        """
        with self._writing:
            self._store.verify(self._current.snapshot)

    def _threads_of(self, wanted: int | None) -> int:
        return self._threads if wanted is None else _threads(wanted)

    def _whole(self) -> Searchable:
        """Return the rows as they are now, if none of their files was cut.

        Raises:
            IndexFileError: names the section.
        """
        self._current.snapshot.require_whole()
        return self._current

    def _publish(self, snapshot: Snapshot) -> None:
        """Make a finished change visible to all later searches."""
        try:
            self._current = self._current.after(snapshot, self._make_engine)
        except ProviderError:
            # The rows are stored, so they must be found, at least by the CPU; the caller is told.
            self._current, self._make_engine = Searchable.of(snapshot, cpu_engine), cpu_engine
            raise


def _threads(wanted: int | None) -> int:
    """Return the number of threads asked for, or all that this process may use."""
    if wanted is None:
        return usable_threads()
    require_positive("threads", wanted)
    return at_most_useful(wanted)


def _empty_snapshot(stream: RowStream, *, residual: bool) -> Snapshot:
    """Return an empty snapshot for the rows of a stream."""
    layout = Layout(width=stream.sample.shape[1], residual=residual, ids="none")
    return Snapshot.of(layout, {}, mean_row(stream.sample))
