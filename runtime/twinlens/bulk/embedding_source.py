"""Folders and files of embeddings among the sources of a command."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from twinlens.datasets.embedding_parquet import StoredEmbeddings, open_embeddings
from twinlens.datasets.formats.embedding_schema import LOST, METADATA, NAME
from twinlens.datasets.formats.parquet_file import ParquetDamage, open_parquet
from twinlens.errors import DatasetError, EmbeddingsError

_NAMES_AT_ONCE = 2**16


def stored_at(source: Path) -> StoredEmbeddings | None:
    """Open a source if it is a folder of embeddings, or such a file; else None.

    Raises:
        DatasetError: it is one, but damaged, or its files do not belong together.
        EmbeddingsError: its rows have no names.
        ImportError: pyarrow is not installed.
    """
    files = sorted(source.glob("*.parquet")) if source.is_dir() else [source]
    files = [file for file in files if not file.name.startswith((".", "_"))]
    if not files or files[0].suffix.lower() != ".parquet" or not files[0].is_file():
        return None
    with open_parquet(files[0]) as file:
        if METADATA not in (file.schema.metadata or {}):
            return None
    stored = open_embeddings(source)
    if stored.key != NAME:
        raise EmbeddingsError(f"{source} has no names; make an index of it by Index.from_parquet")
    return stored


def named_rows(stored: StoredEmbeddings) -> Iterator[tuple[list[str], NDArray[np.float32]]]:
    """Yield names [n] and rows [n, D]; lost items are left out, and named in a warning."""
    for block in stored.blocks():
        if isinstance(block, tuple):  # one without names tells the width alone
            names, rows = block
            yield [str(name) for name in names], rows.astype(np.float32, copy=False)


def lost_names(stored: StoredEmbeddings) -> Iterator[str]:
    """Yield the names of the items without an embedding."""
    for path in stored.paths:
        with open_parquet(path) as file:
            if LOST not in file.columns:
                continue
            for batch in file.batches([NAME, LOST], n_rows=_NAMES_AT_ONCE):
                if isinstance(batch, ParquetDamage):
                    raise DatasetError(str(batch.error)) from batch.error
                lost = batch.columns[LOST].is_valid()
                yield from batch.columns[NAME].filter(lost).to_pylist()
