"""Tables as input give tables of the same library as output."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from numpy.typing import NDArray

from twinlens import Model, dataframes
from twinlens.demo.samples import bundled_drawings

Make = Callable[[Mapping[str, list[str]]], object]

WORDS = ["grinning face", "a bus", "a dog"]


@pytest.fixture(scope="module")
def columns() -> dict[str, list[str]]:
    return {"photo": [str(d.path) for d in bundled_drawings()[:3]], "words": WORDS}


@pytest.fixture(scope="module")
def wanted(model: Model, columns: dict[str, list[str]]) -> NDArray[np.float32]:
    return model.match(columns["photo"], columns["words"])


NAMES = {"image": "photo", "text": "words"}
INDEXES = {
    "gaps": [7, 9, 3],
    "twice": [1, 1, 1],
    "words": ["a", "b", "c"],
    "days": pd.date_range("2026-01-01", periods=3, tz="UTC"),
    "levels": pd.MultiIndex.from_tuples([(1, "x"), (1, "y"), (2, "x")]),
}


@pytest.mark.parametrize("index", INDEXES)
def test_pandas_keeps_its_index(
    model: Model, columns: dict[str, list[str]], wanted: NDArray[np.float32], index: str
) -> None:
    table = pd.DataFrame(columns, index=INDEXES[index])
    found = model.predict_proba(table, **NAMES)
    assert list(found.columns) == ["no match", "match"]
    assert found.dtypes.tolist() == [np.float32] * 2
    pd.testing.assert_index_equal(found.index, table.index)
    np.testing.assert_array_equal(found["match"], wanted)
    said = model.predict(table, threshold=0, **NAMES)
    assert (said.name, said.tolist()) == ("match", [1, 1, 1])
    pd.testing.assert_index_equal(said.index, table.index)
    series = model.match(table["photo"], table["words"])
    pd.testing.assert_series_equal(series, found["match"])


def test_a_slice_of_a_pandas_table_is_taken_by_its_rows(
    model: Model, columns: dict[str, list[str]], wanted: NDArray[np.float32]
) -> None:
    table = pd.DataFrame(columns).iloc[::-2]
    np.testing.assert_array_equal(model.predict_proba(table, **NAMES)["match"], wanted[::-2])


def test_polars_gives_polars(
    model: Model, columns: dict[str, list[str]], wanted: NDArray[np.float32]
) -> None:
    table = pl.DataFrame(columns)
    found = model.predict_proba(table, **NAMES)
    assert isinstance(found, pl.DataFrame)
    assert found.schema == {"no match": pl.Float32, "match": pl.Float32}
    np.testing.assert_array_equal(found["match"].to_numpy(), wanted)
    assert model.predict(table, threshold=0, **NAMES).to_list() == [1, 1, 1]
    assert model.match(table["photo"], table["words"]).to_list() == wanted.tolist()


def test_pyarrow_gives_pyarrow(
    model: Model, columns: dict[str, list[str]], wanted: NDArray[np.float32]
) -> None:
    table = pa.table(columns)
    found = model.predict_proba(table, **NAMES)
    assert isinstance(found, pa.Table)
    assert found.column_names == ["no match", "match"]
    assert found["match"].to_pylist() == wanted.tolist()
    assert model.predict(table, threshold=0, **NAMES).to_pylist() == [1, 1, 1]
    assert model.match(table["photo"], table["words"]).to_pylist() == wanted.tolist()


def test_a_dict_gives_arrays(
    model: Model, columns: dict[str, list[str]], wanted: NDArray[np.float32]
) -> None:
    found = model.predict_proba(columns, **NAMES)
    assert isinstance(found, np.ndarray)
    np.testing.assert_array_equal(found[:, 1], wanted)
    assert model.predict(columns, threshold=0, **NAMES).dtype == np.int64


def test_a_dict_may_hold_arrays_of_pixels_and_columns_of_any_library(model: Model) -> None:
    pixels = np.zeros((2, 8, 8, 3), dtype=np.uint8)
    found = model.predict_proba({"image": pixels, "text": pa.array(["a dog", "a bus"])})
    assert found.shape == (2, 2)


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame, pa.table, dict])
def test_an_empty_table_gives_an_empty_one(model: Model, make: Make) -> None:
    found = model.predict_proba(make({"image": [], "text": []}))
    assert found.shape == (0, 2)


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame, pa.table, dict])
def test_a_missing_column_is_named_beside_those_there(make: Make) -> None:
    with pytest.raises(ValueError, match="is no column 'text'; the columns are image, words"):
        dataframes.column(make({"image": [], "words": []}), "text")


def test_a_column_that_is_there_twice_is_refused() -> None:
    table = pd.DataFrame([[1, 2]], columns=["text", "text"])
    with pytest.raises(ValueError, match="there are 2 columns 'text'"):
        dataframes.column(table, "text")


@pytest.mark.parametrize("table", [3, None, Path("pairs.csv"), ["image"], "pairs.csv"])
def test_what_is_no_table_is_refused(table: object) -> None:
    with pytest.raises(TypeError, match="is no table; give a dict of columns or a DataFrame"):
        dataframes.column(table, "image")


def test_one_string_is_no_column() -> None:
    with pytest.raises(TypeError, match="column 'image' is one str; give a list"):
        dataframes.column({"image": "dog.png"}, "image")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ("a dog", "texts is one str; give a list of them"),
        (b"a dog", "texts is one bytes; give a list of them"),
        (np.zeros((4, 5)), "texts is one ndarray; give a list of them"),
        (np.zeros((4, 5, 3)), "texts is one ndarray; give a list of them"),
        (np.zeros((3, 40, 50)), r"a ndarray of shape \[3, H, W\]; of one image give \[H, W, 3\]"),
        (np.zeros((4, 40, 50)), r"a ndarray of shape \[4, H, W\]; .* of gray ones a list of"),
        ({"text": ["a dog"]}, "texts is a dict, which is read by its keys; give the list of its"),
        ({"a dog"}, "texts is a set, which has no order; give a list"),
        (frozenset({"a dog"}), "texts is a frozenset, which has no order; give a list"),
        (pd.DataFrame({"text": ["a dog"]}), "texts is a DataFrame, a table; give one of its col"),
        (pl.DataFrame({"text": ["a dog"]}), "texts is a DataFrame, a table; give one of its col"),
        (pa.table({"text": ["a dog"]}), "texts is a Table, a table; give one of its columns"),
        (None, "texts is a NoneType, not several; give a list of them"),
        (7, "texts is a int, not several; give a list of them"),
        (np.array("a dog"), "texts is a ndarray, not several; give a list of them"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_not_several_is_refused(values: object, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        dataframes.several(values, "texts")  # type: ignore[arg-type]


def test_a_generator_is_not_read_twice() -> None:
    words = (word for word in WORDS)
    assert [*dataframes.several(words, "texts")] == WORDS
    with pytest.raises(ValueError, match="texts is a generator that was read before; give a list"):
        dataframes.several(words, "texts")


@pytest.mark.parametrize(
    "make",
    [list, tuple, iter, np.array, pd.Series, pl.Series, pa.array, dict.fromkeys(WORDS).keys],
    ids=["list", "tuple", "iter", "numpy", "pandas", "polars", "pyarrow", "keys"],
)
def test_what_is_several_is_taken_in_its_order(make: Callable[..., object]) -> None:
    values = make(WORDS) if make.__qualname__ != "dict.keys" else make()
    assert [str(value) for value in dataframes.several(values, "texts")] == WORDS  # type: ignore[arg-type]
