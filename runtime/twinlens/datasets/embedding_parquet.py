"""Embeddings in a Parquet file, as blocks for an index."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from twinlens.datasets.formats.parquet_file import ParquetDamage, cells, open_parquet
from twinlens.datasets.quoting import quoted_path, quoted_value
from twinlens.errors import DatasetError

_BATCH_ROWS: Final = 2**14


def parquet_blocks(
    path: str | os.PathLike[str], *, column: str = "embedding", ids: str | None = None
) -> Iterator[NDArray[Any] | tuple[list[int] | list[str], NDArray[Any]]]:
    """Yield blocks [n, D] of a column of lists of floats, for `Index.build` or `Index.write`.

    The file is read row group by row group, so memory holds little more than one of them:

        Index.write("photos.index", parquet_blocks("rows.parquet", ids="path"))

    Args:
        path: the file.
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
    wanted = [column] if ids is None else [column, ids]
    place = Path(path)
    with open_parquet(place) as file:
        file.require_columns(wanted)
        for batch in file.batches(wanted, n_rows=_BATCH_ROWS):
            if isinstance(batch, ParquetDamage):
                raise batch.error
            where = f"column {quoted_value(column)} of {quoted_path(path)}"
            rows = _rows(batch.columns[column], where, batch.first_row)
            yield rows if ids is None else (_ids(batch.columns[ids], place), rows)


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
