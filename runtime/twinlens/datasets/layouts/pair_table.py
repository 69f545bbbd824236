"""Pairs in tables: CSV, TSV and Parquet; a row that is no pair is an error with its line."""

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple, cast

import numpy as np
from PIL import Image

from twinlens.dataframes import is_missing
from twinlens.datasets.column_names import (
    FETCHED,
    find_columns,
    find_status,
    names_of,
    warn_of_unfetched,
)
from twinlens.datasets.formats.csv_records import csv_records
from twinlens.datasets.formats.parquet_file import (
    Parquet,
    ParquetBatch,
    ParquetDamage,
    cells,
    open_parquet,
)
from twinlens.datasets.formats.tar_bytes import require_regular_file
from twinlens.datasets.image_parquet import ROWS_AT_ONCE, image_from_cell
from twinlens.datasets.pairs import Columns, Lose, Pairs, parse_label
from twinlens.datasets.quoting import quoted_path, quoted_value
from twinlens.errors import DatasetError, ImageError, PairsError
from twinlens.images.image_like import ImageLike

DELIMITERS: Final = {".csv": ",", ".tsv": "\t"}
MIN_BASE64: Final = 200
"""Characters: an image has more, and few paths have so many without a dot."""
_BASE64: Final = re.compile(r"[\w+/=-]+")
Row = Mapping[str, Any]


class _Pair(NamedTuple):
    """One row of a table with one of its texts."""

    image: ImageLike
    text: str
    label: bool | None
    kind: str | None
    group: str | None


def read_csv_pairs(
    path: Path, *, columns: Columns, root: Path, lose: Lose, delimiter: str = ","
) -> Pairs:
    """Read the pairs of a CSV file in UTF-8 whose first line has the column names.

    Args:
        path: the file; a byte order mark is skipped, and a cell may have any length.
        columns: the names of its columns.
        root: folder that relative image paths start from.
        lose: act on a row that is no pair.
        delimiter: the separator of two cells.

    Raises:
        PairsError: a column is missing, or a row is no pair; the message has its line.
        OSError: the file cannot be opened.
    """
    try:
        require_regular_file(path)
        with path.open(encoding="utf-8-sig", newline="") as file:
            records = csv_records(file, delimiter=delimiter)
            _, names = next(records, (1, []))
            found = find_columns(columns, names, path)
            return collect(_csv_rows(records, names, path), found, root, lose)
    except UnicodeDecodeError as error:
        raise PairsError(
            f"{quoted_path(path)} is not UTF-8: {error.reason}; save it as UTF-8"
        ) from error
    except PairsError:
        raise
    except DatasetError as error:
        raise PairsError(str(error)) from error
    except ValueError as error:
        raise PairsError(f"{quoted_path(path)} is not CSV: {error}") from error


def read_parquet_pairs(path: Path, *, columns: Columns, root: Path, lose: Lose) -> Pairs:
    """Read the pairs of a Parquet file; images are paths, encoded bytes, or structs of both.

    A cell of texts may be a list; each of them is a pair with the row's image. Of img2dataset's
    files the rows that were not fetched are left out, with a warning of their number.

    Raises:
        PairsError: pyarrow is not installed, a column is missing, or a row is no pair.
        OSError: the file cannot be opened.
    """
    try:
        with open_parquet(path) as file:
            found = find_columns(columns, file.columns, path)
            return collect(_parquet_rows(file, found, path), found, root, lose)
    except DatasetError as error:
        raise PairsError(str(error)) from error


def _csv_rows(
    records: Iterator[tuple[int, list[str]]], names: Sequence[str], path: Path
) -> Iterator[tuple[str, Row | PairsError]]:
    """Yield each row, or the reason for its loss, with its file and line."""
    for line, record in records:
        where = f"{quoted_path(path)} line {line}"
        if len(record) != len(names):
            problem = PairsError(
                f"{where} has not the {len(names)} cells that the first line names; put quotes "
                "around a cell that holds the separator"
            )
            yield where, problem
        else:
            yield where, dict(zip(names, record, strict=True))


def _parquet_rows(
    file: Parquet, columns: Columns, path: Path
) -> Iterator[tuple[str, Row | PairsError]]:
    """Yield each row, or the reason for the loss of several, with its file and number."""
    status = find_status(file.columns)
    names = names_of(columns)
    if status is not None and status not in names:
        names.append(status)
    left_out = 0
    for batch in file.batches(names, n_rows=ROWS_AT_ONCE):
        if isinstance(batch, ParquetDamage):
            yield "", PairsError(f"{batch.error} (from row {batch.first_row:,})")
            continue
        for where, row in _rows_of(batch, path):
            if status is None or row[status] == FETCHED:
                yield where, row
            else:
                left_out += 1
    warn_of_unfetched(path, left_out)


def _rows_of(batch: ParquetBatch, path: Path) -> Iterator[tuple[str, Row]]:
    values = zip(*map(cells, batch.columns.values()), strict=True)
    for number, row in enumerate(values, start=batch.first_row):
        yield f"{quoted_path(path)} row {number}", dict(zip(batch.columns, row, strict=True))


def collect(
    rows: Iterable[tuple[str, Row | PairsError]], columns: Columns, root: Path, lose: Lose
) -> Pairs:
    """Return the pairs of rows, each with its file and line; a row that is none is lost."""
    pairs: list[_Pair] = []
    for where, row in rows:
        try:
            if isinstance(row, PairsError):
                raise row
            pairs += _pairs_of(row, columns, root, where)
        except PairsError as error:
            lose(error)
    return Pairs(
        images=[pair.image for pair in pairs],
        texts=[pair.text for pair in pairs],
        labels=[bool(pair.label) for pair in pairs] if columns.label else None,
        kinds=[pair.kind or "" for pair in pairs] if columns.kind else None,
        groups=[pair.group or "" for pair in pairs] if columns.group else None,
    )


def _pairs_of(row: Row, columns: Columns, root: Path, where: str) -> list[_Pair]:
    """Return the pairs of a row: one for each of its texts."""
    image = read_image_cell(row[columns.image], root, where)
    texts = read_text_cells(row[columns.text], columns.text, where)
    label = read_label_cell(row[columns.label], columns.label, where) if columns.label else None
    kind = _word(row[columns.kind]) if columns.kind else None
    group = _word(row[columns.group]) if columns.group else None
    return [_Pair(image, text, label, kind, group) for text in texts]


def read_image_cell(cell: object, root: Path, where: str) -> ImageLike:
    """Return the image of a cell.

    Raises:
        PairsError: it holds none, or the path of no file.
    """
    image = image_of_cell(cell, root)
    if isinstance(image, ImageError):
        raise PairsError(f"{where} has {image}")
    # Path.is_file raises OSError for a name that is too long.
    if isinstance(image, Path) and not os.path.isfile(image):  # noqa: PTH113
        raise PairsError(f"{where} names {quoted_path(image)}, which is no file{_cure_of(cell)}")
    return image


def image_of_cell(cell: object, root: Path) -> ImageLike | ImageError:
    """Return the image of a cell, or the error of one that holds none.

    A table in memory may also hold paths, open files, PIL images and arrays.
    """
    if isinstance(cell, os.PathLike):
        return root / cast("str", os.fspath(cell))
    if isinstance(cell, (Image.Image, np.ndarray)) or hasattr(cell, "read"):
        return cast("ImageLike", cell)
    return image_from_cell(cell, root)


def _cure_of(cell: object) -> str:
    """Return the cure for what is in the place of a path, or ""."""
    if isinstance(cell, str) and os.sep != "\\" and "\\" in cell:
        return "; write / in place of \\ on this system"
    is_base64 = isinstance(cell, str) and len(cell) > MIN_BASE64 and _BASE64.fullmatch(cell)
    return "; make bytes of base64 by from_base64" if is_base64 else ""


def read_text_cells(cell: object, name: str, where: str) -> list[str]:
    """Return the texts of a cell: one, or several of a list.

    Raises:
        PairsError: it holds something else, or an empty text.
    """
    texts: list[Any] = cell if isinstance(cell, list) and cell else [cell]
    for text in texts:
        if not isinstance(text, str) or not text.strip():
            shown = text if isinstance(text, DatasetError) else quoted_value(text)
            raise PairsError(f"{where} has no text in {quoted_value(name)}: {shown}")
    return texts


def read_label_cell(cell: object, name: str, where: str) -> bool:
    """Return the label of a cell.

    Raises:
        PairsError: it is neither 0 nor 1.
    """
    label = parse_label(cell)
    if label is None:
        raise PairsError(
            f"{where} has {quoted_value(cell)} in {quoted_value(name)}, wanted 0 or 1; rename the "
            "column if it is no label"
        )
    return label


def _word(cell: object) -> str:
    """Return the class or the group; a number is one too, 0 as well."""
    return "" if is_missing(cell) else str(cell).strip()
