"""Images in a column of a Parquet file."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from twinlens.datasets.column_names import (
    FETCHED,
    find_image_column,
    find_status,
    warn_of_unfetched,
)
from twinlens.datasets.formats.parquet_file import ParquetDamage, cells, open_parquet
from twinlens.datasets.quoting import quoted_value
from twinlens.errors import DatasetError, ImageError
from twinlens.images.named_image import NamedImage

ROWS_AT_ONCE: Final = 32
"""Rows in a batch: their images are in memory together, beside the row group that pyarrow reads."""
MAX_PATH: Final = 4096
"""Characters of a path; of a longer text, Linux says that its name is too long."""
_URL: Final = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)


def images_in_parquet(path: Path, *, column: str, root: Path) -> Iterator[NamedImage]:
    """Yield the images in one column: paths, bytes, or structs {bytes, path} of both.

    The name of an image is its path if the cell has one, else photos.parquet/7, by its row. A cell
    without an image is an error in its place, and so is the rest of a damaged row group. Of
    img2dataset's files the rows that were not fetched are left out, with a warning of their number.

    Args:
        path: the file.
        column: name of the column; of the default's like, jpg or png say, if it is not there.
        root: folder that relative image paths start from.

    Raises:
        DatasetError: pyarrow is not installed, the file is not Parquet, or it lacks the column.
    """
    with open_parquet(path) as file:
        column = find_image_column(column, file.columns)
        file.require_columns([column])
        status, left_out = find_status(file.columns), 0
        names = [column] if status is None else [column, status]
        for batch in file.batches(names, n_rows=ROWS_AT_ONCE):
            if isinstance(batch, ParquetDamage):
                error = ImageError(f"{batch.error} (from row {batch.first_row:,})")
                yield NamedImage(f"{path}/{batch.first_row}", error)
                continue
            rows = zip(*(cells(batch.columns[name]) for name in names), strict=True)
            for number, (cell, *states) in enumerate(rows, start=batch.first_row):
                if states and states != [FETCHED]:
                    left_out += 1
                    continue
                image = image_from_cell(cell, root)
                name = str(image) if isinstance(image, Path) else f"{path}/{number}"
                yield NamedImage(name, image)
        warn_of_unfetched(path, left_out)


def image_from_cell(cell: object, root: Path) -> bytes | Path | ImageError:
    """Return the bytes or the path in a cell; for any other cell, an error with its value."""
    if isinstance(cell, dict):  # as the datasets library writes images
        cell = cell.get("bytes") or cell.get("path")
    if isinstance(cell, (bytes, bytearray)) and cell:
        return bytes(cell)
    if isinstance(cell, str) and cell.strip():
        return _image_from_text(cell.strip(), root)
    if isinstance(cell, DatasetError):
        return ImageError(f"no image: {cell}")
    return ImageError(f"no image: {quoted_value(cell)}")


def _image_from_text(text: str, root: Path) -> Path | ImageError:
    if text[:5].lower() == "data:":
        return ImageError(f"a data URI, {quoted_value(text)}; make bytes of it by from_data_uri")
    if len(text) > MAX_PATH or "\0" in text:
        return ImageError(
            f"{len(text):,} characters that are no path, {quoted_value(text)}; "
            "make bytes of base64 by from_base64"
        )
    if _URL.match(text):
        return ImageError(f"the URL {quoted_value(text)}; fetch it and give its path or its bytes")
    return root / text
