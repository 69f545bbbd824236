"""Reading of pairs of one modality from a table: two columns of images, or two of texts."""

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, Literal, TypeVar, cast

from twinlens.dataframes import Table, column_names, is_table
from twinlens.datasets.column_names import cure_of_columns
from twinlens.datasets.formats.csv_records import csv_records
from twinlens.datasets.formats.parquet_file import ParquetDamage, cells, open_parquet
from twinlens.datasets.formats.tar_bytes import require_regular_file
from twinlens.datasets.image_parquet import ROWS_AT_ONCE
from twinlens.datasets.layouts.pair_frame import frame_rows
from twinlens.datasets.layouts.pair_table import (
    DELIMITERS,
    Row,
    read_image_cell,
    read_label_cell,
    read_text_cells,
)
from twinlens.datasets.pairs import Lose
from twinlens.datasets.quoting import quoted_path, quoted_value
from twinlens.datasets.read_images import is_parquet
from twinlens.datasets.read_pairs import act_on_loss
from twinlens.datasets.same_pairs import ImagePairs, TextPairs
from twinlens.errors import DatasetError, PairsError, quoted
from twinlens.images.image_like import ImageLike

T = TypeVar("T")
_Source = str | os.PathLike[str] | Table
_Loss = Literal["raise", "skip"] | Callable[[PairsError], None]
LABEL: Final = "label"


def read_image_pairs(  # noqa: PLR0913  one choice each, none by place
    source: _Source,
    *,
    images: str = "image",
    others: str = "image2",
    label: str | None = None,
    image_root: str | os.PathLike[str] | None = None,
    on_error: _Loss = "raise",
) -> ImagePairs:
    """Read pairs of two images from a CSV, TSV or Parquet table, a DataFrame, or a dict of columns.

    Args:
        source: the table.
        images: its column of images.
        others: its column of the other images.
        label: its column of 0 and 1; by default "label" where there is one, and none if it is "".
        image_root: folder that relative paths start from; by default that of the table.
        on_error: as for `read_pairs`.

    Raises:
        PairsError: a column is missing, a row is no pair, or there is none.
        OSError: the source cannot be opened.
    """
    root = Path(image_root) if image_root is not None else _folder_of(source)

    def read(cell: object, _: str, where: str) -> ImageLike:
        return read_image_cell(cell, root, where)

    left, right, labels = _read(source, (images, others, label), read, act_on_loss(on_error))
    return ImagePairs(images=left, others=right, labels=labels)


def read_text_pairs(
    source: _Source,
    *,
    texts: str = "text",
    others: str = "text2",
    label: str | None = None,
    on_error: _Loss = "raise",
) -> TextPairs:
    """Read pairs of two texts from a CSV, TSV or Parquet table, a DataFrame, or a dict of columns.

    Args:
        source: the table.
        texts: its column of texts.
        others: its column of the other texts.
        label: its column of 0 and 1; by default "label" where there is one.
        on_error: as for `read_pairs`.

    Raises:
        PairsError: a column is missing, a row is no pair, or there is none.
        OSError: the source cannot be opened.
    """

    def read(cell: object, name: str, where: str) -> str:
        return read_text_cells(cell, name, where)[0]

    left, right, labels = _read(source, (texts, others, label), read, act_on_loss(on_error))
    return TextPairs(texts=left, others=right, labels=labels)


def _read(
    source: _Source,
    asked: tuple[str, str, str | None],
    read: Callable[[object, str, str], T],
    lose: Lose,
) -> tuple[list[T], list[T], list[bool] | None]:
    """Return both columns and the labels of the rows that are pairs."""
    first, second, label = asked
    left: list[T] = []
    right: list[T] = []
    labels: list[bool] = []
    has_labels = bool(label)
    for where, row in _rows(source, first, second, label):
        try:
            if isinstance(row, PairsError):
                raise row
            both = [read(row[name], name, where) for name in (first, second)]
            if has_labels or (label is None and LABEL in row):
                has_labels = True
                labels.append(read_label_cell(row[label or LABEL], label or LABEL, where))
        except PairsError as error:
            lose(error)
            continue
        left.append(both[0])
        right.append(both[1])
    return left, right, labels if has_labels else None


def _rows(
    source: _Source, first: str, second: str, label: str | None
) -> Iterator[tuple[str, Row | PairsError]]:
    """Yield the rows of a table, each with its file and line, of the columns asked for."""
    if is_table(source):
        found = _columns(
            [str(name) for name in column_names(source)], "the table", first, second, label
        )
        yield from frame_rows(source, found)
        return
    path = Path(cast("str", source))
    try:
        if is_parquet(path):
            yield from _parquet_rows(path, first, second, label)
        elif path.suffix.lower() in DELIMITERS:
            yield from _csv_rows(path, first, second, label)
        else:
            raise PairsError(
                f"{quoted_path(path)} is no table that is read for pairs of one modality; give "
                ".csv, .tsv, .parquet or a DataFrame"
            )
    except UnicodeDecodeError as error:
        raise PairsError(f"{quoted_path(path)} is not UTF-8: {error.reason}") from error
    except DatasetError as error:
        raise error if isinstance(error, PairsError) else PairsError(str(error)) from error


def _csv_rows(path: Path, *asked: Any) -> Iterator[tuple[str, Row | PairsError]]:  # noqa: ANN401  as of `_columns`
    require_regular_file(path)
    with path.open(encoding="utf-8-sig", newline="") as file:
        records = csv_records(file, delimiter=DELIMITERS[path.suffix.lower()])
        _, names = next(records, (1, []))
        found = _columns(names, quoted_path(path), *asked)
        for line, record in records:
            where = f"{quoted_path(path)} line {line}"
            if len(record) != len(names):
                yield where, PairsError(f"{where} has not the {len(names)} cells of the first line")
            else:
                row = dict(zip(names, record, strict=True))
                yield where, {name: row[name] for name in found}


def _parquet_rows(path: Path, *asked: Any) -> Iterator[tuple[str, Row | PairsError]]:  # noqa: ANN401  as of `_columns`
    with open_parquet(path) as file:
        found = _columns(file.columns, quoted_path(path), *asked)
        for batch in file.batches(found, n_rows=ROWS_AT_ONCE):
            if isinstance(batch, ParquetDamage):
                yield "", PairsError(f"{batch.error} (from row {batch.first_row:,})")
                continue
            values = zip(*map(cells, batch.columns.values()), strict=True)
            for number, row in enumerate(values, start=batch.first_row):
                yield f"{quoted_path(path)} row {number}", dict(zip(found, row, strict=True))


def _columns(
    names: Sequence[str], source: str, first: str, second: str, label: str | None
) -> list[str]:
    """Return the names of the columns to read.

    Raises:
        PairsError: one is missing, or there twice.
    """
    found = [first, second]
    if label or (label is None and LABEL in names):
        found.append(label or LABEL)
    for name in found:
        if names.count(name) != 1:
            number = "more than one" if name in names else "no"
            raise PairsError(
                f"{source} has {number} column {quoted_value(name)}; its columns are "
                f"{quoted(', '.join(names))}"
                f"{cure_of_columns(names, 'others=, --images2 or --texts2')}"
            )
    return found


def _folder_of(source: _Source) -> Path:
    return Path() if is_table(source) else Path(cast("str", source)).parent
