"""Parquet tables: rows read a few at a time, and a cell that holds or names a picture."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from twinlens.errors import DatasetError, ImageError
from twinlens.images.named_image import NamedImage

ROWS_AT_ONCE: Final = 32
"""Of a batch: its pictures are in memory together, above the row group that pyarrow reads."""

Row = dict[str, Any]


def images_in_parquet(path: Path, *, column: str, folder: Path) -> Iterator[NamedImage]:
    """The pictures in one column of a Parquet file: paths, bytes, or structs {bytes, path} of both.

    One that is given by its path has that path for a name, else it is photos.parquet/7, by its row.

    Args:
        path: the file.
        column: the name of the column.
        folder: what its paths start from.

    Raises:
        DatasetError: pyarrow is not installed, it is no Parquet, or it has no such column.
    """
    heads = parquet_columns(path)
    if heads.count(column) != 1:
        how_many = "more than one" if column in heads else "no"
        raise DatasetError(
            f"{path} has {how_many} column {column!r}; its columns are {', '.join(heads)}"
        )
    for number, row in enumerate(parquet_rows(path, [column])):
        image = image_of(row[column], folder)
        name = str(image) if isinstance(image, Path) else f"{path}/{number}"
        yield NamedImage(name, image)


def parquet_columns(path: Path) -> list[str]:
    """The names of the columns of a Parquet file.

    Raises:
        DatasetError: pyarrow is not installed, or it is no Parquet.
    """
    with _opened(path) as file:
        return list(file.schema_arrow.names)


def parquet_rows(path: Path, columns: Sequence[str]) -> Iterator[Row]:
    """The rows of a Parquet file, of these columns.

    Raises:
        DatasetError: pyarrow is not installed, or it is no Parquet.
    """
    with _opened(path) as file:
        for batch in file.iter_batches(batch_size=ROWS_AT_ONCE, columns=list(columns)):
            yield from batch.to_pylist()


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    try:
        from pyarrow import ArrowException, parquet  # noqa: PLC0415  an extra, and slow to import
    except ImportError as error:
        raise DatasetError(
            f"{path} is Parquet, which needs pyarrow; pip install 'twinlens[parquet]'"
        ) from error
    try:
        with parquet.ParquetFile(path) as file:
            yield file
    except ArrowException as error:
        raise DatasetError(f"{path} is not Parquet: {error}") from error


def image_of(cell: object, folder: Path) -> bytes | Path | ImageError:
    """The picture that a cell holds or names, or what it holds in its place."""
    if isinstance(cell, dict):  # as the datasets library writes images
        cell = cell.get("bytes") or cell.get("path")
    if isinstance(cell, bytes) and cell:
        return cell
    if isinstance(cell, str) and cell.strip():
        return folder / cell.strip()
    return ImageError(f"no image: {cell!r}")
