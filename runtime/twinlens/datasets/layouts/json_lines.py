"""Pairs in a file of JSON lines, one object a line, as the metadata of an image folder."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from twinlens.datasets.column_names import find_columns, names_of
from twinlens.datasets.formats.tar_bytes import require_regular_file
from twinlens.datasets.layouts.pair_table import Row, collect
from twinlens.datasets.pairs import Columns, Lose, Pairs
from twinlens.datasets.quoting import quoted_path, quoted_value
from twinlens.errors import DatasetError, PairsError, quoted


def read_jsonl_pairs(path: Path, *, columns: Columns, root: Path, lose: Lose) -> Pairs:
    """Read the pairs of a file of JSON lines in UTF-8; the first object names the columns.

    Args:
        path: the file; a text may be a list of texts.
        columns: the names of its columns.
        root: folder that relative image paths start from.
        lose: act on a line that is no pair.

    Raises:
        PairsError: a column is missing, or a line is no pair; the message has its number.
        OSError: the file cannot be opened.
    """
    try:
        require_regular_file(path)
        with path.open(encoding="utf-8-sig", newline="\n") as file:
            rows = list(_rows(file, path))
    except UnicodeDecodeError as error:
        raise PairsError(
            f"{quoted_path(path)} is not UTF-8: {error.reason}; save it as UTF-8"
        ) from error
    except DatasetError as error:
        raise PairsError(str(error)) from error
    names = next((list(row) for _, row in rows if isinstance(row, dict)), [])
    found = find_columns(columns, names, path)
    wanted = names_of(found)
    return collect(_whole(rows, wanted), found, root, lose)


def _rows(lines: Iterable[str], path: Path) -> Iterator[tuple[str, dict[str, Any] | PairsError]]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        where = f"{quoted_path(path)} line {number}"
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            yield where, PairsError(f"{where} is not JSON: {quoted(str(error))}")
            continue
        problem = PairsError(f"{where} is {quoted_value(row)}, wanted an object with the columns")
        yield where, row if isinstance(row, dict) else problem


def _whole(
    rows: Iterable[tuple[str, dict[str, Any] | PairsError]], wanted: list[str]
) -> Iterator[tuple[str, Row | PairsError]]:
    """Yield the rows; one without a column has None there."""
    for where, row in rows:
        yield where, row if isinstance(row, PairsError) else {n: row.get(n) for n in wanted}
