"""Pairs in tables: CSV, TSV and Parquet; a row that is no pair is an error with its line."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from twinlens.datasets.image_parquet import image_from_cell, parquet_columns, parquet_rows
from twinlens.datasets.pairs import NO_LABELS, Columns, Pairs, parse_label
from twinlens.errors import DatasetError, ImageError, PairsError
from twinlens.images.image_like import ImageLike

DELIMITERS: Final = {".csv": ",", ".tsv": "\t"}
LABEL: Final = "label"

Row = Mapping[str, Any]


def read_csv_pairs(path: Path, *, columns: Columns, root: Path, delimiter: str = ",") -> Pairs:
    """Read the pairs of a CSV file in UTF-8 whose first line has the column names.

    Args:
        path: the file; a byte order mark is skipped.
        columns: the names of its columns.
        root: folder that relative image paths start from.
        delimiter: the separator of two cells.

    Raises:
        PairsError: a column is missing, or a row is no pair; the message has its line.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, delimiter=delimiter, strict=True)
            names = reader.fieldnames or []
            return _collect(_csv_rows(reader, path), _resolve(columns, names, path), root)
    except UnicodeDecodeError as error:
        raise PairsError(f"{path} is not UTF-8: {error.reason}; save it as UTF-8") from error
    except csv.Error as error:
        raise PairsError(f"{path} is not CSV: {error}") from error


def read_parquet_pairs(path: Path, *, columns: Columns, root: Path) -> Pairs:
    """Read the pairs of a Parquet file; images are paths, encoded bytes, or structs of both.

    Raises:
        PairsError: pyarrow is not installed, a column is missing, or a row is no pair.
    """
    try:
        found = _resolve(columns, parquet_columns(path), path)
        names = [name for name in (found.image, found.text, found.label, found.kind) if name]
        numbered = (
            (f"{path} row {number}", row) for number, row in enumerate(parquet_rows(path, names))
        )
        return _collect(numbered, found, root)
    except DatasetError as error:
        raise PairsError(str(error)) from error


def _csv_rows(reader: "csv.DictReader[str]", path: Path) -> Iterator[tuple[str, Row]]:
    """Yield each row with its file and line, for error messages."""
    for row in reader:
        where = f"{path} line {reader.line_num}"
        if None in row or None in row.values():
            raise PairsError(
                f"{where} has not the {len(reader.fieldnames or [])} cells that the first line "
                "names; put quotes around a cell that holds the separator"
            )
        yield where, row


def _resolve(columns: Columns, names: Sequence[str], path: Path) -> Columns:
    """Check that every column exists once, and add the default label column where it exists."""
    label = columns.label
    if label is None and LABEL in names and columns.kind != LABEL:
        label = LABEL
    elif label == NO_LABELS:
        label = None
    for name in (columns.image, columns.text, label, columns.kind):
        if name is not None and names.count(name) != 1:
            number = "more than one" if name in names else "no"
            raise PairsError(
                f"{path} has {number} column {name!r}; its columns are {', '.join(names)}"
            )
    return Columns(image=columns.image, text=columns.text, label=label, kind=columns.kind)


def _collect(rows: Iterator[tuple[str, Row]], columns: Columns, root: Path) -> Pairs:
    images: list[ImageLike] = []
    texts: list[str] = []
    labels: list[bool] = []
    kinds: list[str] = []
    for where, row in rows:
        images.append(_image(row[columns.image], root, where))
        texts.append(_text(row[columns.text], columns.text, where))
        if columns.label is not None:
            labels.append(_label(row[columns.label], columns.label, where))
        if columns.kind is not None:
            kinds.append(str(row[columns.kind] or "").strip())
    return Pairs(
        images=images,
        texts=texts,
        labels=labels if columns.label is not None else None,
        kinds=kinds if columns.kind is not None else None,
    )


def _image(cell: object, root: Path, where: str) -> ImageLike:
    image = image_from_cell(cell, root)
    if isinstance(image, ImageError):
        raise PairsError(f"{where} has {image}")
    if isinstance(image, Path) and not image.is_file():
        raise PairsError(f"{where} names {image}, which is no file")
    return image


def _text(cell: object, name: str, where: str) -> str:
    if not isinstance(cell, str) or not cell.strip():
        raise PairsError(f"{where} has no text in {name!r}: {cell!r}")
    return cell


def _label(cell: object, name: str, where: str) -> bool:
    label = parse_label(cell)
    if label is None:
        raise PairsError(
            f"{where} has {cell!r} in {name!r}, wanted 0 or 1; rename the column if it is no label"
        )
    return label
