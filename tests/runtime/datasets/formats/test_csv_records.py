"""Records of CSV: as Python's csv module reads them, without its limit on a cell."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twinlens.datasets.formats.csv_records import csv_records

LETTERS = st.text('a b,"\n\r;\u2028', max_size=14)


def by_python(lines: list[str], delimiter: str) -> list[tuple[int, list[str]]] | None:
    """Records by the csv module; None where it refuses the text."""
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    try:
        return [(reader.line_num, record) for record in reader if record]
    except csv.Error:
        return None


def ours(lines: list[str], delimiter: str) -> list[tuple[int, list[str]]] | None:
    try:
        return list(csv_records(lines, delimiter=delimiter))
    except ValueError:
        return None


@given(text=LETTERS, delimiter=st.sampled_from([",", ";"]))
def test_the_records_are_those_of_the_csv_module(text: str, delimiter: str) -> None:
    lines = list(io.StringIO(text, newline=""))
    assert ours(lines, delimiter) == by_python(lines, delimiter)


@pytest.mark.parametrize("cell", ["x" * 200_000, '"' + 'y,"",\n' * 50_000 + '"'])
def test_a_cell_may_be_longer_than_the_limit_of_the_csv_module(cell: str) -> None:
    limit = csv.field_size_limit()
    lines = list(io.StringIO(f"a,{cell},b\n", newline=""))
    with pytest.raises(csv.Error, match="field larger than field limit"):
        list(csv.reader(lines, strict=True))
    ((_, record),) = csv_records(lines, delimiter=",")
    assert record == ["a", cell.strip('"').replace('""', '"') if '"' in cell else cell, "b"]
    assert csv.field_size_limit() == limit


@pytest.mark.parametrize(
    ("text", "message"),
    [('a,"b\n', "unexpected end of data: a quote is not closed"), ('"a"b\n', "',' expected")],
)
def test_an_open_quote_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        list(csv_records(io.StringIO(text, newline=""), delimiter=","))
