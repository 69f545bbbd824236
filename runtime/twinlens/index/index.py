"""Index of embeddings: exact search by cosine."""

import os
import threading
from collections.abc import Iterable, Mapping
from itertools import chain
from pathlib import Path
from typing import Final, Self

from twinlens.errors import CodesOnlyError, ProviderError
from twinlens.index.blocks import Embeddings, RowBlock, RowStream, blocks_of
from twinlens.index.ids import IdsLike
from twinlens.index.index_reader import IndexReader, n_threads_of
from twinlens.index.ingest import Ingest, empty_snapshot, pieces
from twinlens.index.row_writer import RowWriter
from twinlens.index.searchable import EngineFactory, Searchable, cpu_engine, engine_factory
from twinlens.index.snapshot import Snapshot
from twinlens.index.storage.disk import DiskStore, new_index, write_pieces
from twinlens.index.storage.manifest import read_about
from twinlens.index.storage.memory import MemoryStore
from twinlens.index.storage.memory_map import open_folder
from twinlens.index.storage.store import Store
from twinlens.index.stored_rows import live_blocks
from twinlens.provenance import check_same_maker
from twinlens_kernels.validation import require_positive

_BLOCK_ROWS: Final = 8192


class Index(IndexReader):
    """Unit rows [N, D], searched by exact cosine; in memory, or in a folder on disk.

    Made by `build`, `write`, `open` and `from_parquet`. Any number of threads may search it while
    one thread changes it: a search sees the rows as they were when it began.

    A row has a number, in the order of addition, and keeps it until `compact`. It may have an id,
    an int64 number or a string, which it keeps for good.

    >>> import numpy as np
    >>> index = Index.build(np.eye(3), ids=["red", "green", "blue"])
    >>> index.search(np.array([0.0, 3.0, 4.0]), k=2).ids
    array([['blue', 'green']], dtype=object)
    """

    def __init__(self, store: Store, snapshot: Snapshot, about: Mapping[str, str]) -> None:
        super().__init__(Searchable.of(snapshot, cpu_engine), about)
        self._store = store
        self._make_engine: EngineFactory = cpu_engine
        self._writing = threading.Lock()

    @classmethod
    def build(  # noqa: PLR0913 - independent wishes
        cls,
        embeddings: Embeddings,
        *,
        ids: IdsLike | None = None,
        about: Mapping[str, str] | None = None,
        residual: bool = False,
        codes_only: bool = False,
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
            codes_only: Keep no float32 rows: P + 16 bytes a row, with a residual 2 P + 24. Answers
                then have bounds, of some 0.01 without a residual and 3e-5 with it (`Hits.errors`).
            threads: Number of threads; None for all that this process may use.

        Raises:
            IdError: An id is given twice.
            TypeError: The numbers are not floats, or an id is neither integer nor string.
            ValueError: There are not two dimensions, a row holds NaN or infinity, or the ids are
                not as many as the rows.
        """
        stream = RowStream.of(embeddings, ids)
        store = MemoryStore(capacity=stream.n_rows or 0)
        empty = empty_snapshot(stream, residual=residual, codes_only=codes_only)
        ingest = Ingest(empty, threads=n_threads_of(threads))
        return cls(store, store.append(ingest, stream.blocks), read_about(about))

    @classmethod
    def write(  # noqa: PLR0913 - `build`, and a path
        cls,
        path: str | os.PathLike[str],
        embeddings: Embeddings,
        *,
        ids: IdsLike | None = None,
        about: Mapping[str, str] | None = None,
        residual: bool = False,
        codes_only: bool = False,
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
        empty = empty_snapshot(stream, residual=residual, codes_only=codes_only)
        ingest = Ingest(empty, threads=n_threads_of(threads))
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

    @classmethod
    def from_parquet(
        cls,
        source: str | os.PathLike[str],
        path: str | os.PathLike[str] | None = None,
        *,
        residual: bool = False,
        codes_only: bool = False,
        threads: int | None = None,
    ) -> Self:
        """Make an index of the files of `to_parquet` or `twinlens embed`, in memory or at `path`.

        Ids are the column `name` or `id`, if there is one; lost rows are left out; `about` is that
        of the files. float32 rows are the same to the bit. With a path, memory holds a row group of
        the files, and 40 bytes for an id.

        Args:
            source: A Parquet file, or a folder of files `*.parquet`, taken in order of their names.
            path: Folder to write the index to, as `write` does; None keeps it in memory.
            residual: As for `build`.
            codes_only: As for `build`.
            threads: As for `build`.

        Raises:
            DatasetError: A file is not Parquet, is damaged or has other columns, or the files of
                the folder were made by different models.
            IdError: An id is given twice.
            ImportError: pyarrow is not installed.
            IndexBusyError: As for `write`.
            OSError: A file cannot be read, or as for `write`.
            ValueError: A row without a reason of its loss is null, holds NaN, or has another width.
        """
        # pyarrow is an extra, and only this needs it.
        from twinlens.datasets.embedding_parquet import open_embeddings  # noqa: PLC0415

        stored = open_embeddings(source)
        blocks, about = stored.blocks(), stored.about
        if path is None:
            return cls.build(
                blocks, about=about, residual=residual, codes_only=codes_only, threads=threads
            )
        return cls.write(
            path, blocks, about=about, residual=residual, codes_only=codes_only, threads=threads
        )

    def add(
        self,
        embeddings: Embeddings,
        ids: IdsLike | None = None,
        *,
        threads: int | None = None,
    ) -> None:
        """Append rows: all of them, or an error and none. On disk, this is one commit.

        A commit waits eight times for the disk: 3 ms on an idle one, 30 ms on a busy one, however
        many rows it has. Add many at a time, or take a `writer`. An index without rows takes the
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
        self._append(blocks_of(embeddings, ids), threads=threads)

    def update(
        self,
        embeddings: Embeddings,
        ids: IdsLike | None = None,
        *,
        threads: int | None = None,
    ) -> None:
        """Replace the rows of these ids, and append those of new ids: in one commit, or not at all.

        A replaced row is removed, as `remove` does, and the new one is the last, with a new number.

        Args:
            embeddings: As for `build`; also the `blocks` of another index.
            ids: As for `add`, but each row needs one, here or in the blocks of a stream.
            threads: Number of threads; None for all that this process may use.

        Raises:
            IdError: An id is given twice, is of another kind, or there is none.
            IndexBusyError: As for `add`.
            ProviderError: As for `add`.
            TypeError: As for `add`.
            ValueError: As for `add`.

        >>> index = Index.build([[1.0, 0.0], [0.0, 1.0]], ids=["red", "green"])
        >>> index.update([[3.0, 4.0], [1.0, 0.0]], ids=["red", "blue"])
        >>> index.ids.tolist(), index.get(["blue", "green"]).tolist()
        (['green', 'red', 'blue'], [[1.0, 0.0], [0.0, 1.0]])
        """
        self._append(blocks_of(embeddings, ids), threads=threads, replacing=True)

    def merge(self, *others: IndexReader, threads: int | None = None) -> None:
        """Append the rows of other indexes, to the bit: all of them in one commit, or none.

        Their removed rows are left out. Memory holds a few blocks, and 40 bytes for an id: on disk,
        indexes larger than memory can be merged. `update` with the `blocks` of another index takes
        its rows where both have an id. Codes alone take any rows; the errors of others add up.

        Args:
            others: Indexes of one width, one kind of ids and one model.
            threads: Number of threads; None for all that this process may use.

        Raises:
            CodesOnlyError: One of the others keeps codes alone, and this one rows.
            IdError: An id is in two of the indexes, or is of another kind.
            IndexBusyError: As for `add`.
            IndexFileError: An index was made by another model, or a file of it is damaged.
            ProviderError: As for `add`.
            TypeError: One of the others is no index.
            ValueError: The width is another.
        """
        for other in others:
            if not isinstance(other, IndexReader):
                raise TypeError(f"merge got a {type(other).__name__}, wanted indexes")
            check_same_maker(self.about, other.about)
            if other.kept != "rows" and self.kept == "rows":
                raise CodesOnlyError(
                    "merge got an index of codes alone, and this one keeps rows to the bit; merge "
                    "this one into that, or add its blocks() where rows within its error serve"
                )
        taken = [other._whole().snapshot for other in others]  # noqa: SLF001 - of the class itself
        blocks = (live_blocks(snapshot, size=_BLOCK_ROWS) for snapshot in taken)
        self._append(chain.from_iterable(blocks), threads=threads)

    def writer(self, size: int = 1024, *, threads: int | None = None) -> RowWriter:
        """Return a buffer for rows that come one at a time: they share commits of `size` rows.

        On disk, a row costs 0.13 ms, where an `add` of one row costs 3 ms on an idle disk and 30 ms
        on a busy one (512 numbers, EPYC). A crash loses the rows that wait, and none of the others.

        Args:
            size: Number of waiting rows that are committed; `RowWriter.commit` does not wait.
            threads: Number of threads; None for all that this process may use.

        Raises:
            TypeError: size is no integer.
            ValueError: size is below 1.
        """
        require_positive("size", size)
        return RowWriter(
            lambda: Ingest(self._whole().snapshot, threads=1),
            lambda block: self._append([block], threads=threads),
            size=size,
        )

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
            CodesOnlyError: The index keeps codes alone: the CPU searches these.
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

    def _append(
        self, blocks: Iterable[RowBlock], *, threads: int | None, replacing: bool = False
    ) -> None:
        n_threads = self._threads_of(threads)
        with self._writing:
            ingest = Ingest(self._whole().snapshot, threads=n_threads, replacing=replacing)
            self._publish(self._store.append(ingest, blocks))

    def _publish(self, snapshot: Snapshot) -> None:
        """Make a finished change visible to all later searches."""
        try:
            self._current = self._current.after(snapshot, self._make_engine)
        except ProviderError:
            # The rows are stored, so they must be found, at least by the CPU; the caller is told.
            self._current, self._make_engine = Searchable.of(snapshot, cpu_engine), cpu_engine
            raise
