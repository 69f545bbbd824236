"""Embeddings in Parquet files, as blocks for an index."""

import logging
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from twinlens.datasets.formats.embedding_schema import (
    EMBEDDING,
    ID,
    LOST,
    NAME,
    KeyColumn,
    about_in,
)
from twinlens.datasets.formats.parquet_file import (
    ParquetBatch,
    ParquetDamage,
    cells,
    open_parquet,
)
from twinlens.datasets.hidden_names import is_hidden
from twinlens.datasets.quoting import quoted_path, quoted_value
from twinlens.errors import DatasetError, quoted
from twinlens.provenance import CLOSE

logger = logging.getLogger(__name__)

_BATCH_ROWS: Final = 2**14
_TEXTS: Final = frozenset({"string", "large_string"})
"""Types of texts in Arrow: polars and Daft write large ones."""
_MAX_NAMED: Final = 3
"""Lost items that a warning names; it counts the others."""

Block = NDArray[Any] | tuple[list[int] | list[str], NDArray[Any]]
"""Rows [n, D], or a pair of their ids [n] and them."""


def parquet_blocks(
    path: str | os.PathLike[str], *, column: str = EMBEDDING, ids: str | None = None
) -> Iterator[NDArray[Any] | tuple[list[int] | list[str], NDArray[Any]]]:
    """Yield blocks [n, D] of a column of lists of floats, for `Index.build` or `Index.write`.

    A file is read row group by row group, so memory holds little more than one of them:

        Index.write("photos.index", parquet_blocks("rows.parquet", ids="path"))
        Index.write("photos.index", parquet_blocks("photos.embeddings", ids="name"))

    Of a folder, as `embed_to_parquet` writes it, the files `*.parquet` are read in order of their
    names; those that begin with "." or "_" are passed over. Where a file says by its column `lost`
    that an item has no embedding, it is left out, and named in a warning. `Index.from_parquet`
    reads the metadata too.

    Args:
        path: the file or the folder.
        column: column of embeddings: FixedSizeList, List or LargeList of float16, float32 or
            float64.
        ids: column of integers or strings; each block is then a pair (ids [n], rows [n, D]).

    Raises:
        ImportError: pyarrow is not installed.
        DatasetError: the file is not Parquet or is damaged, or a column is missing or there twice.
        OSError: the file cannot be opened.
        ValueError: the column has no lists of floats, or a list is null or differs in length from
            those before it.
    """
    lost = _LostItems(path)
    for place in _files_at(Path(path)):
        yield from _blocks(place, column=column, ids=ids, lost=lost)
    lost.warn()


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredEmbeddings:
    """Parquet files of one schema (formats/embedding_schema.py): a file, or those of a folder."""

    paths: tuple[Path, ...]
    about: Mapping[str, str]
    """Maker of the rows; empty for files of other programs."""
    key: KeyColumn | None
    """Column of the ids; None if there is none."""
    width: int | None
    """D; None if the lists of the column may differ in length."""
    has_lost: bool
    """True if there is a column of reasons."""

    def blocks(self) -> Iterator[Block]:
        """Yield the rows, file by file; lost ones are left out and named in a warning.

        If there are none but the width is known, one block of none tells it.

        Raises:
            DatasetError: as for `parquet_blocks`.
            OSError: as for `parquet_blocks`.
            ValueError: as for `parquet_blocks`.
        """
        if self.width is not None:
            yield np.empty((0, self.width), dtype=np.float32)
        lost = _LostItems(self.paths[0] if len(self.paths) == 1 else self.paths[0].parent)
        for path in self.paths:
            yield from _blocks(path, column=EMBEDDING, ids=self.key, lost=lost)
        lost.warn()


def open_embeddings(source: str | os.PathLike[str]) -> StoredEmbeddings:
    """Open a Parquet file of embeddings, or a folder of such files `*.parquet`, in order of names.

    The columns are those of `Index.to_parquet` and `twinlens embed --out`: `embedding`, and beside
    it `name` or `id` or neither. Names that begin with "." or "_" are passed over.

    Args:
        source: the file or the folder.

    Raises:
        ImportError: pyarrow is not installed.
        DatasetError: a file is not Parquet, has other columns, or was made by another model than
            those before it; or there is none in the folder.
        OSError: a file cannot be opened.
    """
    paths = _files_at(Path(source).absolute())
    first = _described(paths[0])
    for path in paths[1:]:
        found = _described(path)
        if replace(found, paths=first.paths, about=_made(found)) != replace(
            first, about=_made(first)
        ):
            raise DatasetError(f"{quoted_path(path)} {_difference(found, first)}")
    return replace(first, paths=paths)


def _files_at(source: Path) -> tuple[Path, ...]:
    """Return the file, or the visible Parquet files of a folder.

    Raises:
        DatasetError: the folder has none.
    """
    if not source.is_dir():
        return (source,)
    found = [path for path in source.iterdir() if path.suffix == ".parquet"]
    hidden = {path for path in found if path.name.startswith("_") or is_hidden([path.name])}
    if not set(found) - hidden:
        raise DatasetError(
            f"{quoted_path(source)} has no file *.parquet; name a folder of embeddings, or a file"
        )
    return tuple(sorted(set(found) - hidden))


def _described(path: Path) -> StoredEmbeddings:
    with open_parquet(path) as file:
        file.require_columns([EMBEDDING])
        keys: list[KeyColumn] = [NAME] if NAME in file.columns else []
        keys += [ID] if ID in file.columns else []
        if len(keys) > 1:
            raise DatasetError(
                f"{quoted_path(path)} has both columns {NAME} and {ID}, wanted one of ids; "
                "give Index.build the blocks of parquet_blocks, which chooses"
            )
        try:
            about = about_in(file.schema)
        except DatasetError as error:
            raise DatasetError(f"{quoted_path(path)} cannot be read: {error}") from error
        kind = file.schema.field(EMBEDDING).type
        return StoredEmbeddings(
            paths=(path,),
            about=about,
            key=keys[0] if keys else None,
            width=getattr(kind, "list_size", None),
            has_lost=LOST in file.columns,
        )


def _made(stored: StoredEmbeddings) -> dict[str, str]:
    """Return the maker of rows but for what hardly changes them: a fleet has several processors."""
    return {name: value for name, value in stored.about.items() if name not in CLOSE}


def _difference(found: StoredEmbeddings, first: StoredEmbeddings) -> str:
    """Return the reason why two files are not of one folder."""
    before = quoted_path(first.paths[0].name)
    if _made(found) != _made(first):
        ours, theirs = quoted(str(dict(found.about))), quoted(str(dict(first.about)))
        return f"was made by {ours}, {before} by {theirs}; embed both with the same model"
    if found.width != first.width:
        return (
            f"has width {found.width}, {before} has {first.width}; embed both with the same model"
        )
    return f"has other columns than {before}; keep files of one kind in a folder"


def _blocks(path: Path, *, column: str, ids: str | None, lost: "_LostItems") -> Iterator[Block]:
    wanted = [column] if ids is None else [column, ids]
    with open_parquet(path) as file:
        file.require_columns(wanted)
        read = sorted({*wanted, *({LOST, NAME} & set(file.columns))})
        for batch in file.batches(read, n_rows=_BATCH_ROWS):
            if isinstance(batch, ParquetDamage):
                raise batch.error
            numbers, columns = lost.left_out(batch, column)
            where = f"column {quoted_value(column)} of {quoted_path(path)}"
            rows = _rows(columns[column], where, numbers)
            yield rows if ids is None else (_ids(columns[ids], path), rows)


class _LostItems:
    """Items of which a file says that they have no embedding, and the reason."""

    def __init__(self, source: str | os.PathLike[str]) -> None:
        self._source, self._count = source, 0
        self._told: list[str] = []

    def left_out(
        self, batch: ParquetBatch, column: str
    ) -> tuple[NDArray[np.int64], dict[str, Any]]:
        """Return the numbers [n] of the rows of a batch, and its columns, without lost items."""
        columns = batch.columns
        reasons, lists = columns.get(LOST), columns[column]
        numbers = batch.first_row + np.arange(len(lists))
        # A column of that name in a file of another program may mean something else.
        if reasons is None or str(reasons.type) not in _TEXTS or not lists.null_count:
            return numbers, columns
        kept = lists.is_valid().to_numpy(zero_copy_only=False)
        kept |= reasons.is_null().to_numpy(zero_copy_only=False)
        for place in np.flatnonzero(~kept)[: _MAX_NAMED - len(self._told)].tolist():
            name = columns[NAME][place].as_py() if NAME in columns else f"row {numbers[place]}"
            self._told.append(f"{quoted(name)} ({quoted(str(reasons[place]))})")
        self._count += int(np.count_nonzero(~kept))
        return numbers[kept], {name: array.filter(kept) for name, array in columns.items()}

    def warn(self) -> None:
        """Name the first lost items, and count all."""
        if self._count:
            more = self._count - len(self._told)
            logger.warning(
                "%s: %d lost items are left out: %s%s",
                quoted_path(self._source),
                self._count,
                ", ".join(self._told),
                f" and {more} more" if more else "",
            )


def _ids(array: Any, path: Path) -> list[int] | list[str]:  # noqa: ANN401  pyarrow's array
    ids: list[Any] = list(cells(array))
    for value in ids:
        if isinstance(value, DatasetError):
            raise DatasetError(f"{quoted_path(path)} has an id that cannot be read: {value}")
    return ids


def _rows(
    lists: Any,  # noqa: ANN401  pyarrow's array
    where: str,
    numbers: NDArray[np.int64],
) -> NDArray[Any]:
    """Return the rows [n, D] of an array of lists of floats.

    Args:
        lists: [n] lists.
        where: the column and its file, for messages.
        numbers: [n] numbers of the rows in the file.
    """
    kind = getattr(lists.type, "value_type", None)
    if kind is None or str(kind) not in {"halffloat", "float", "double"}:
        raise ValueError(f"{where} is {lists.type}, wanted lists of floats")
    if lists.null_count:
        missing = numbers[int(np.argmax(lists.is_null().to_numpy(zero_copy_only=False)))]
        raise ValueError(f"{where} is null in row {missing}; leave out rows without an embedding")
    flat: NDArray[Any] = lists.flatten().to_numpy(zero_copy_only=False)
    if not len(lists):
        return flat.reshape(0, max(1, getattr(lists.type, "list_size", 1)))
    lengths = lists.value_lengths().to_numpy(zero_copy_only=False)
    if (lengths != lengths[0]).any():
        odd = int(np.argmax(lengths != lengths[0]))
        raise ValueError(
            f"{where} has {lengths[odd]} numbers in row {numbers[odd]}, {lengths[0]} in row "
            f"{numbers[0]}; embed all with the same model"
        )
    return flat.reshape(len(lists), int(lengths[0]))
