"""Writer of single rows, which are committed to an index many at a time."""

import threading
from collections.abc import Callable
from itertools import chain
from types import TracebackType
from typing import Self

import numpy as np

from twinlens.errors import ClosedError, IdError, ProviderError
from twinlens.index.blocks import Embeddings, RowBlock, blocks_of, is_stream
from twinlens.index.ids import Ids, IdsLike
from twinlens.index.ingest import Ingest
from twinlens.normalization import read_floats


class RowWriter:
    """Buffer before an index: rows that come one at a time share a commit. Made by `Index.writer`.

    Each row is checked when it is added: one that is refused takes no other with it. Rows are
    found, and safe from a crash, after their commit: when `size` rows wait, at `commit`, and at the
    end of the `with` block, also if an error ends it. Any thread may add.

    >>> import numpy as np
    >>> from twinlens import Index
    >>> index = Index.build(np.eye(3), ids=["red", "green", "blue"])
    >>> with index.writer() as writer:
    ...     writer.add([1.0, 1.0, 0.0], ["yellow"])
    >>> "yellow" in index
    True
    """

    def __init__(
        self, begin: Callable[[], Ingest], append: Callable[[RowBlock], None], *, size: int
    ) -> None:
        self._begin, self._append, self._size = begin, append, size
        self._lock = threading.RLock()
        self._waiting: list[RowBlock] = []
        self._n_waiting = 0
        self._ingest: Ingest | None = None
        self._closed = False

    def __len__(self) -> int:
        """Return the number of rows that wait for their commit."""
        return self._n_waiting

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._lock:
            self._closed = True
            self.commit()

    def add(self, embeddings: Embeddings, ids: IdsLike | None = None) -> None:
        """Add rows, or one row [D]: all of them, or an error and none.

        Args:
            embeddings: As for `Index.add`, or one row [D].
            ids: As for `Index.add`; one id a row.

        Raises:
            ClosedError: The `with` block has ended.
            IdError: An id is given twice, is in the index or waits already, or is of another kind.
            IndexBusyError: This add led to a commit; else as for `Index.add`.
            TypeError: As for `Index.add`.
            ValueError: As for `Index.add`.
        """
        if not is_stream(embeddings):
            rows = read_floats(embeddings)
            embeddings = rows[None] if rows.ndim == 1 else rows
        blocks = list(blocks_of(embeddings, ids))
        with self._lock:
            if self._closed:
                raise ClosedError("the writer has ended with its block; take another of the index")
            if blocks:
                self._wait(_joined(blocks))
            if self._n_waiting >= self._size:
                self.commit()

    def commit(self) -> None:
        """Append the waiting rows to the index in one commit; on an error they wait on.

        Raises:
            IdError: A row that came by another way has one of the ids.
            IndexBusyError: As for `Index.add`.
            ProviderError: As for `Index.add`: the rows are added.
        """
        with self._lock:
            if self._waiting:
                try:
                    self._append(_joined(self._waiting))
                except ProviderError:
                    self._forget()
                    raise
            self._forget()

    def _wait(self, block: RowBlock) -> None:
        """Check a block against the index and the waiting rows, and join these."""
        ingest, self._ingest = self._ingest, None  # one that refuses a block may hold its ids
        try:
            ingest = self._checked(ingest, block)
        except IdError:
            if ingest is None:
                raise
            ingest = self._checked(None, block)  # the id may have been removed meanwhile
        self._ingest = ingest
        if len(block.rows):
            self._waiting.append(block)
            self._n_waiting += len(block.rows)

    def _checked(self, ingest: Ingest | None, block: RowBlock) -> Ingest:
        """Return the ingest, or a new one of the waiting rows, after its check of a block."""
        if ingest is None:
            ingest = self._begin()
            if self._waiting:
                ingest.check(_joined(self._waiting))
        ingest.check(block)
        return ingest

    def _forget(self) -> None:
        self._waiting, self._n_waiting, self._ingest = [], 0, None


def _joined(blocks: list[RowBlock]) -> RowBlock:
    """Join blocks of one kind of ids: each block of a commit has a price of its own."""
    if len(blocks) == 1:
        return blocks[0]
    ids: list[Ids] = [block.ids for block in blocks if block.ids is not None]
    joined: Ids | None = None
    if len(ids) == len(blocks):
        texts = [names for names in ids if isinstance(names, list)]
        joined = list(chain.from_iterable(texts)) if texts else np.concatenate(ids)
    return RowBlock(rows=np.concatenate([block.rows for block in blocks]), ids=joined)
