"""Writing of one Parquet file of embeddings: whole in its place, or not there."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twinlens.datasets.formats.embedding_schema import (
    EMBEDDING,
    PARQUET,
    stored_name,
)
from twinlens.datasets.formats.parquet_file import pyarrow
from twinlens.datasets.quoting import quoted_path
from twinlens.durable.whole import whole_file

Keys = NDArray[np.int64] | NDArray[np.object_] | None
"""Ids [n] of a block: numbers, or `str` as objects; None for rows without."""


def write_embeddings(
    path: str | os.PathLike[str],
    blocks: Iterable[tuple[Keys, NDArray[np.float32]]],
    schema: Any,  # noqa: ANN401  pyarrow's schema
) -> None:
    """Write blocks of rows with their ids to a file, a row group a block.

    Args:
        path: the file; one that exists is replaced.
        blocks: ids [n] and rows [n, D].
        schema: as `embedding_schema` gives it.

    Raises:
        ImportError: pyarrow is not installed.
        OSError: the file cannot be written.
    """
    place = Path(path).absolute()
    library = pyarrow(quoted_path(path))
    if place.is_dir():
        raise IsADirectoryError(f"{quoted_path(path)} is a folder; name a file in it")
    if not place.parent.is_dir():
        raise FileNotFoundError(f"{quoted_path(place.parent)} is no folder; make it first")
    with (
        whole_file(place) as draft,
        library.parquet.ParquetWriter(draft, schema, **PARQUET) as file,
    ):
        for ids, rows in blocks:
            file.write_table(_table(library, schema, ids, rows))


def _table(
    library: Any,  # noqa: ANN401  pyarrow
    schema: Any,  # noqa: ANN401  pyarrow's schema
    ids: Keys,
    rows: NDArray[np.float32],
) -> Any:  # noqa: ANN401  pyarrow's table
    embeddings = schema.field(EMBEDDING).type
    numbers = rows.astype(embeddings.value_type.to_pandas_dtype(), copy=False)
    columns = [
        library.FixedSizeListArray.from_arrays(library.array(numbers.reshape(-1)), type=embeddings),
        library.nulls(len(rows), library.string()),
    ]
    if ids is not None:
        keys = [stored_name(name) for name in ids] if ids.dtype == object else ids
        columns.insert(0, library.array(keys, schema.field(0).type))
    return library.Table.from_arrays(columns, schema=schema)
