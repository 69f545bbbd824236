"""Pairs in a table in memory: a DataFrame of pandas or polars, a pyarrow table, or a dict."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

from twinlens import dataframes
from twinlens.datasets.column_names import IMAGE, TEXT, find_columns, names_of
from twinlens.datasets.layouts.pair_table import Row, collect
from twinlens.datasets.pairs import Columns, Lose, Pairs
from twinlens.errors import PairsError

QUERY: Final = "query"
RESPONSE: Final = "response"


def read_frame_pairs(table: dataframes.Table, *, columns: Columns, root: Path, lose: Lose) -> Pairs:
    """Read the pairs of a table in memory.

    Columns "query" and "response" are taken in place of "image" and "text" where these are not
    there; their values tell which holds the images.

    Raises:
        PairsError: a column is missing, or a row is no pair; the message has its number.
    """
    names = [str(name) for name in dataframes.column_names(table)]
    found = find_columns(_by_role(table, columns, names), names, Path("the table"))
    return collect(frame_rows(table, names_of(found)), found, root, lose)


def frame_rows(table: dataframes.Table, names: list[str]) -> Iterator[tuple[str, Row | PairsError]]:
    """Yield each row of some columns, with its number.

    Raises:
        PairsError: the columns differ in length.
    """
    columns = [dataframes.column(table, name) for name in names]
    if len({len(column) for column in columns}) > 1:
        lengths = ", ".join(f"{len(c)} of {n}" for n, c in zip(names, columns, strict=True))
        raise PairsError(f"the columns differ in length: {lengths}; give as many of each")
    for number, row in enumerate(zip(*columns, strict=True)):
        yield f"row {number}", dict(zip(names, row, strict=True))


def _by_role(table: dataframes.Table, columns: Columns, names: list[str]) -> Columns:
    is_asked = (columns.image, columns.text) != (IMAGE, TEXT)
    if is_asked or IMAGE in names or TEXT in names or not {QUERY, RESPONSE} <= {*names}:
        return columns
    queries = dataframes.column(table, QUERY)
    image, text = QUERY, RESPONSE
    if dataframes.modality_of(queries) == "text":
        image, text = text, image
    return replace(columns, image=image, text=text)
