"""Images in a column of a Parquet file, and the reading of its rows."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from twinlens.errors import DatasetError, ImageError
from twinlens.images.named_image import NamedImage

ROWS_AT_ONCE: Final = 32
"""Rows in a batch: their images are in memory together, beside the row group that pyarrow reads."""

Row = dict[str, Any]


def images_in_parquet(path: Path, *, column: str, root: Path) -> Iterator[NamedImage]:
    """Yield the images in one column: paths, bytes, or structs {bytes, path} of both.

    The name of an image is its path if the cell has one, else photos.parquet/7, by its row.

    Args:
        path: the file.
        column: name of the column.
        root: folder that relative image paths start from.

    Raises:
        DatasetError: pyarrow is not installed, the file is not Parquet, or it lacks the column.
    """
    names = parquet_columns(path)
    if names.count(column) != 1:
        how_many = "more than one" if column in names else "no"
        raise DatasetError(
            f"{path} has {how_many} column {column!r}; its columns are {', '.join(names)}"
        )
    for number, row in enumerate(parquet_rows(path, [column])):
        image = image_from_cell(row[column], root)
        name = str(image) if isinstance(image, Path) else f"{path}/{number}"
        yield NamedImage(name, image)


def parquet_columns(path: Path) -> list[str]:
    """Return the column names of a Parquet file.

    Raises:
        DatasetError: pyarrow is not installed, or the file is not Parquet.
    """
    with _open_parquet(path) as file:
        return list(file.schema_arrow.names)


def parquet_rows(path: Path, columns: Sequence[str]) -> Iterator[Row]:
    """Yield the rows of a Parquet file, with these columns only.

    Raises:
        DatasetError: pyarrow is not installed, or the file is not Parquet.
    """
    with _open_parquet(path) as file:
        for batch in file.iter_batches(batch_size=ROWS_AT_ONCE, columns=list(columns)):
            yield from batch.to_pylist()


@contextmanager
def _open_parquet(path: Path) -> Iterator[Any]:
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


def image_from_cell(cell: object, root: Path) -> bytes | Path | ImageError:
    """Return the bytes or the path in a cell; for any other cell, an error with its value."""
    if isinstance(cell, dict):  # as the datasets library writes images
        cell = cell.get("bytes") or cell.get("path")
    if isinstance(cell, bytes) and cell:
        return cell
    if isinstance(cell, str) and cell.strip():
        return root / cell.strip()
    return ImageError(f"no image: {cell!r}")
