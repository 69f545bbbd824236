"""Embeddings in a Parquet file, or in a folder of them, as blocks for an index."""

import logging
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from twinlens.datasets.formats.embedding_schema import LOST, NAME
from twinlens.datasets.formats.parquet_file import Parquet, ParquetDamage, cells, open_parquet
from twinlens.datasets.quoting import quoted_path, quoted_value
from twinlens.errors import DatasetError, quoted

logger = logging.getLogger(__name__)

_BATCH_ROWS: Final = 2**14
_MAX_NAMED: Final = 3
"""Lost items that a warning names; it counts the others."""


def parquet_blocks(
    path: str | os.PathLike[str], *, column: str = "embedding", ids: str | None = None
) -> Iterator[NDArray[Any] | tuple[list[int] | list[str], NDArray[Any]]]:
    """Yield blocks [n, D] of a column of lists of floats, for `Index.build` or `Index.write`.

    A file is read row group by row group, so memory holds little more than one of them:

        Index.write("photos.index", parquet_blocks("rows.parquet", ids="path"))
        Index.write("photos.index", parquet_blocks("photos.embeddings", ids="name"))

    A folder, as `embed_to_parquet` writes it, is read file by file, sorted by name, but for hidden
    files and those that begin with "_". Items that such a file says are lost are left out, and
    named in a warning.

    Args:
        path: the file or the folder.
        column: column of embeddings: FixedSizeList, List or LargeList of float16, float32 or
            float64.
        ids: column of integers or strings; each block is then a pair (ids [n], rows [n, D]).

    Raises:
        ImportError: pyarrow is not installed.
        DatasetError: a file is not Parquet or is damaged, or a column is missing or there twice; or
            a folder has no such file.
        OSError: a file cannot be opened.
        ValueError: the column has no lists of floats, or a list is null or differs in length from
            those before it.
    """
    lost = _LostItems(path)
    for place in _files(Path(path)):
        with open_parquet(place) as file:
            yield from _blocks(file, place, column, ids, lost)
    lost.warn()


def _files(path: Path) -> Sequence[Path]:
    if not path.is_dir():
        return [path]
    found = sorted(file for file in path.glob("*.parquet") if not file.name.startswith((".", "_")))
    if not found:
        raise DatasetError(f"{quoted_path(path)} has no .parquet file")
    return found


def _blocks(
    file: Parquet, place: Path, column: str, ids: str | None, lost: "_LostItems"
) -> Iterator[NDArray[Any] | tuple[list[int] | list[str], NDArray[Any]]]:
    wanted = [column] if ids is None else [column, ids]
    file.require_columns(wanted)
    read = sorted({*wanted, *({LOST, NAME} & set(file.columns))})
    for batch in file.batches(read, n_rows=_BATCH_ROWS):
        if isinstance(batch, ParquetDamage):
            raise batch.error
        where = f"column {quoted_value(column)} of {quoted_path(place)}"
        columns = lost.left_out(batch.columns)
        rows = _rows(columns[column], where, batch.first_row)
        if len(rows) or not batch.first_row:
            yield rows if ids is None else (_ids(columns[ids], place), rows)


class _LostItems:
    """Items that a file says have no embedding, with the reason."""

    def __init__(self, source: str | os.PathLike[str]) -> None:
        self._source = source
        self._count, self._told = 0, list[str]()

    def left_out(self, columns: dict[str, Any]) -> dict[str, Any]:
        """Return the columns of a batch without its lost items."""
        if LOST not in columns or columns[LOST].null_count == len(columns[LOST]):
            return columns
        kept = columns[LOST].is_null()
        for place in np.flatnonzero(~kept.to_numpy(zero_copy_only=False)).tolist():
            self._count += 1
            if len(self._told) < _MAX_NAMED:
                name = columns[NAME][place].as_py() if NAME in columns else f"row {place}"
                self._told.append(f"{quoted(name)}: {quoted(columns[LOST][place].as_py())}")
        return {name: array.filter(kept) for name, array in columns.items()}

    def warn(self) -> None:
        """Name the first lost items, and count them all."""
        if self._count:
            more = self._count - len(self._told)
            logger.warning(
                "%s has %d lost items, which are left out: %s%s",
                quoted_path(self._source),
                self._count,
                "; ".join(self._told),
                f"; and {more} more" if more else "",
            )


def _ids(array: Any, path: Path) -> list[int] | list[str]:  # noqa: ANN401  pyarrow's array
    ids: list[Any] = list(cells(array))
    for value in ids:
        if isinstance(value, DatasetError):
            raise DatasetError(f"{quoted_path(path)} has an id that cannot be read: {value}")
    return ids


def _rows(lists: Any, where: str, first_row: int) -> NDArray[Any]:  # noqa: ANN401  pyarrow's array
    """Return the rows [n, D] of an array of lists of floats."""
    kind = getattr(lists.type, "value_type", None)
    if kind is None or str(kind) not in {"halffloat", "float", "double"}:
        raise ValueError(f"{where} is {lists.type}, wanted lists of floats")
    if lists.null_count:
        missing = first_row + int(np.argmax(lists.is_null().to_numpy(zero_copy_only=False)))
        raise ValueError(f"{where} is null in row {missing}; leave out rows without an embedding")
    numbers: NDArray[Any] = lists.flatten().to_numpy(zero_copy_only=False)
    if not len(lists):
        return numbers.reshape(0, max(1, getattr(lists.type, "list_size", 1)))
    lengths = lists.value_lengths().to_numpy(zero_copy_only=False)
    if (lengths != lengths[0]).any():
        odd = int(np.argmax(lengths != lengths[0]))
        raise ValueError(
            f"{where} has {lengths[odd]} numbers in row {first_row + odd}, {lengths[0]} in row "
            f"{first_row}; embed all with the same model"
        )
    return numbers.reshape(len(lists), int(lengths[0]))
