"""Reading half of an index: its rows searched and read back."""

import os
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from twinlens.errors import CodesOnlyError
from twinlens.index.arrays.layout import IdKind, Kept
from twinlens.index.filters import Filter, select
from twinlens.index.hits import Hits, RangeHits
from twinlens.index.ids import IdsLike, read_ids
from twinlens.index.query import read_cosine, read_queries, search_range, search_topk
from twinlens.index.searchable import Searchable
from twinlens.index.stored_rows import live_numbers, numbered_blocks, rows_at
from twinlens.threads import usable_threads
from twinlens_kernels.validation import at_most_useful, require_positive

_GROUP_ROWS: Final = 2**14
"""Rows of a row group: 32 MiB at a width of 512."""


class IndexReader:
    """Unit rows [N, D] with ids: searched, and read back. An `Index` also changes them.

    Each call sees the rows as they were when it began, also beside a writer.
    """

    def __init__(self, current: Searchable, about: Mapping[str, str]) -> None:
        self._current = current
        self._about = MappingProxyType(dict(about))
        # Reading a container's quota costs as much as a search among ten thousand rows.
        self._threads = usable_threads()

    def __len__(self) -> int:
        """Return the number of rows, without removed ones."""
        return self._current.snapshot.n_live

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self)} rows of width {self.width})"

    @property
    def width(self) -> int:
        """D, the width of a row."""
        return self._current.snapshot.layout.width

    @property
    def n_rows(self) -> int:
        """N, including removed rows: row numbers are below it, and a mask has N items."""
        return len(self._current.snapshot)

    @property
    def kept(self) -> Kept:
        """Kept of a row: "rows", or codes alone, "codes16" or "codes8" (without a residual)."""
        return self._current.snapshot.layout.kept

    @property
    def error(self) -> float:
        """Largest error of a cosine: 0 if the index keeps its rows. Reads 4 bytes a row.

        A row of `get` or `blocks` is no further than this from the one that was given.
        """
        return float(self._whole().snapshot.errors.max(initial=0))

    @property
    def about(self) -> Mapping[str, str]:
        """Metadata given as `about`."""
        return self._about

    @property
    def ids(self) -> NDArray[np.int64] | NDArray[np.object_]:
        """Ids [n] of the rows without removed ones, in the order of their rows.

        int64, or `str` as objects; row numbers where the index has no ids. Made anew at each
        access: a million strings take half a second.

        Raises:
            IndexFileError: A file of the index was cut, or an id is damaged.
        """
        snapshot = self._whole().snapshot
        return snapshot.ids_at(live_numbers(snapshot))

    def __contains__(self, id: object) -> bool:  # noqa: A002 - the word of the index
        """Return True if a row has this id, or this number if the index has no ids.

        Raises:
            IdError: The id is of another kind than those of the index.
            TypeError: It is neither an integer nor a string.
        """
        if isinstance(id, (int, np.integer)) and not -(2**63) <= int(id) < 2**63:
            return False
        one: list[Any] = [id]  # of any type: `contains` refuses the others
        return bool(self.contains(one)[0])

    def contains(self, ids: IdsLike) -> NDArray[np.bool_]:
        """Return for each of the ids [n] True if a row has it: much faster than one at a time.

        Args:
            ids: int64 numbers or strings; row numbers if the index has no ids.

        Raises:
            IdError: The ids are of another kind than those of the index.
            TypeError: An id is neither an integer nor a string.
            ValueError: A number is beyond int64.
        """
        snapshot, given = self._whole().snapshot, read_ids(ids)
        if not len(given) or not len(snapshot):
            return np.zeros(len(given), dtype=np.bool_)
        return snapshot.rows_of(given) >= 0

    def get(self, ids: IdsLike) -> NDArray[np.float32]:
        """Return a copy [n, D] of the rows with these ids, in their order.

        The rows are the stored ones: of length 1, to the bit as they are searched. Of codes alone,
        they are dequantised: within `error` of the rows that were given, and of a length within it.

        Args:
            ids: int64 numbers or strings; row numbers if the index has no ids. One may be there
                many times, but three and more that are all 0 or 1 and as many as the rows are
                refused: they may be a mask.

        Raises:
            IdError: An id is unknown, removed, or of another kind, or the ids look like a mask.
            IndexFileError: A file of the index was cut, or a row is damaged.
            TypeError: An id is neither an integer nor a string.

        >>> from twinlens import Index
        >>> index = Index.build([[3.0, 0.0], [0.0, 2.0]], ids=["red", "green"])
        >>> index.get(["green", "red"]).tolist()
        [[0.0, 1.0], [1.0, 0.0]]
        """
        snapshot = self._whole().snapshot
        return rows_at(snapshot, snapshot.find(ids))

    def blocks(
        self, size: int = 8192
    ) -> Iterator[tuple[NDArray[np.int64] | NDArray[np.object_], NDArray[np.float32]]]:
        """Yield all rows as pairs: ids [n], and a copy [n, D] of their rows.

        The rows are those of this call, in their order and without removed ones, also if the index
        is changed in between. Memory holds one block. `Index.build`, `write`, `add` and `update`
        take the iterator as it is. If there are no rows, one block of none tells the width.

        Args:
            size: Most rows of a block.

        Raises:
            IndexFileError: A file of the index was cut, or a row or an id is damaged.
            TypeError: size is no integer.
            ValueError: size is below 1.
        """
        require_positive("size", size)
        snapshot = self._whole().snapshot
        found = numbered_blocks(snapshot, size=size)
        return ((snapshot.ids_at(numbers), rows) for numbers, rows in found)

    def to_parquet(
        self, path: str | os.PathLike[str], *, dtype: Literal["float32", "float16"] = "float32"
    ) -> None:
        """Write all rows to one Parquet file, which pandas, polars, DuckDB and others read.

        It has the columns `name` (strings) or `id` (int64), as the ids are, `embedding` (lists of D
        numbers) and `lost` (all null here), and `about` in its metadata. `Index.from_parquet` makes
        the index again, to the bit if the numbers are float32; in a string id, a character that
        UTF-8 does not have is escaped. Memory holds 16,384 rows. An existing file is replaced when
        the new one is complete, and stays if writing fails.

        Args:
            path: The file.
            dtype: "float16" halves the file; the cosines of its rows differ by up to 5e-4.

        Raises:
            CodesOnlyError: The index keeps codes alone.
            ImportError: pyarrow is not installed.
            IndexFileError: A file of the index was cut, or a row or an id is damaged.
            OSError: The file cannot be written.
            ValueError: dtype is another.
        """
        # pyarrow is an extra, and only this needs it.
        from twinlens.datasets.formats.embedding_schema import embedding_schema  # noqa: PLC0415
        from twinlens.datasets.formats.write_embeddings import write_embeddings  # noqa: PLC0415

        snapshot = self._whole().snapshot
        keys: dict[IdKind, Literal["name", "id"] | None] = {
            "text": "name",
            "int64": "id",
            "none": None,
        }
        key = keys[snapshot.layout.ids]
        if snapshot.layout.codes_only:
            raise CodesOnlyError(
                "a Parquet file holds the rows of an index to the bit, and this one keeps codes "
                "alone; write its blocks() where rows within its error serve"
            )
        blocks = numbered_blocks(snapshot, size=_GROUP_ROWS)
        write_embeddings(
            path,
            ((None if key is None else snapshot.ids_at(at), rows) for at, rows in blocks),
            embedding_schema(snapshot.layout.width, key=key, dtype=dtype, about=self._about),
        )

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
        cosine: divided by both lengths, for float32 rows are 1 +- 4e-8 long. Of codes alone,
        `Hits.errors` bounds each cosine, and `Hits.exact` tells the queries whose ids and order are
        proven. There are fewer than k hits if the filter leaves fewer rows.

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
        searches report, is at least `cosine` as a float32 number. Of codes alone, it is found if it
        may be that high, given its error: none is missed.

        Args:
            queries: As for `search`.
            cosine: -1 finds all rows.
            filter: As for `search`.
            threads: As for `search`.

        Raises:
            TypeError: cosine is no number; else as for `search`.
            ValueError: cosine is not between -1 and 1; else as for `search`.

        >>> from twinlens import Index
        >>> index = Index.build([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
        >>> found = index.search_within([[0.0, 3.0, 4.0]], 0.5)
        >>> found.of(0).rows.tolist()
        [[2, 1]]
        """
        current, floor = self._whole(), read_cosine(cosine)
        snapshot = current.snapshot
        return search_range(
            current,
            read_queries(queries, snapshot.layout.width),
            floor,
            select(snapshot, filter),
            threads=self._threads_of(threads),
        )

    def _threads_of(self, wanted: int | None) -> int:
        return self._threads if wanted is None else n_threads_of(wanted)

    def _whole(self) -> Searchable:
        """Return the rows as they are now, if none of their files was cut.

        Raises:
            IndexFileError: names the section.
        """
        self._current.snapshot.require_whole()
        return self._current


def n_threads_of(wanted: int | None) -> int:
    """Return the number of threads asked for, or all that this process may use."""
    if wanted is None:
        return usable_threads()
    require_positive("threads", wanted)
    return at_most_useful(wanted)
