"""Embeddings in a Parquet file, as blocks for an index."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

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
        OSError: the file cannot be read.
        ValueError: a column is missing or has no lists of floats, or a list is null or differs in
            length from those before it.
    """
    try:
        from pyarrow import parquet  # noqa: PLC0415  an extra, and slow to import
    except ImportError as error:
        raise ImportError(
            f"{path} is Parquet, which needs pyarrow; pip install 'twinlens[parquet]'"
        ) from error
    wanted = [column] if ids is None else [column, ids]
    with parquet.ParquetFile(Path(path)) as file:
        for name in wanted:
            if name not in file.schema_arrow.names:
                raise ValueError(
                    f"{path} has no column {name!r}; "
                    f"its columns are {', '.join(file.schema_arrow.names)}"
                )
        first_row = 0
        for batch in file.iter_batches(batch_size=_BATCH_ROWS, columns=wanted):
            rows = _rows(batch.column(column), f"column {column!r} of {path}", first_row)
            yield rows if ids is None else (batch.column(ids).to_pylist(), rows)
            first_row += len(rows)


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
