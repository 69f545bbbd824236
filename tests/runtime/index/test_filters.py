"""Filters as masks and as ids, of every library."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from PIL import Image

from twinlens.errors import IdError
from twinlens.index.index import Index

ROWS = np.random.default_rng(0).standard_normal((6, 4)).astype(np.float32)
CHOSEN = [False, True, True, True, False, False]

COLUMNS: dict[str, Callable[[list[Any]], Any]] = {
    "list": list,
    "tuple": tuple,
    "numpy": np.array,
    "list of numpy scalars": lambda items: list(np.array(items)),
    "objects": lambda items: np.array(items, dtype=object),
    "pandas": pd.Series,
    "pandas index": pd.Index,
    "polars": pl.Series,
    "pyarrow": pa.array,
    "pyarrow chunks": lambda items: pa.chunked_array([items[:2], items[2:]]),
}


def torch_tensor(items: list[Any]) -> object:
    return pytest.importorskip("torch").tensor(items)


@pytest.fixture
def index() -> Index:
    return Index.build(ROWS)


@pytest.mark.parametrize(
    "column",
    [
        *COLUMNS.values(),
        torch_tensor,
        lambda items: pd.array(items, dtype="boolean"),
        lambda items: pd.Series(items, dtype="bool[pyarrow]"),
    ],
)
def test_bools_of_any_library_are_a_mask(index: Index, column: Callable[[list[Any]], Any]) -> None:
    assert sorted(index.search(ROWS[0], filter=column(CHOSEN)).rows[0].tolist()) == [1, 2, 3]
    found = index.search_within(ROWS[0], -1, filter=column(CHOSEN))
    assert sorted(found.rows.tolist()) == [1, 2, 3]


@pytest.mark.parametrize("column", [*COLUMNS.values(), torch_tensor])
def test_ids_of_any_library_are_ids(index: Index, column: Callable[[list[Any]], Any]) -> None:
    assert sorted(index.search(ROWS[0], filter=column([5, 0, 2])).rows[0].tolist()) == [0, 2, 5]
    numbered = Index.build(ROWS, ids=column([9, 8, 7, 6, 5, 4]))
    assert numbered.search(ROWS[2], k=1).ids.tolist() == [[7]]
    streamed = Index.build(iter([ROWS[:1], ROWS[1:]]), ids=column([9, 8, 7, 6, 5, 4]))
    assert streamed.search(ROWS[2], k=1).ids.tolist() == [[7]]


@pytest.mark.parametrize("column", COLUMNS.values())
def test_strings_of_any_library_are_ids(column: Callable[[list[Any]], Any]) -> None:
    named = Index.build(ROWS, ids=column(list("abcdef")))
    hits = named.search(ROWS[4], filter=column(["e", "b"]), k=1)
    assert hits.ids.tolist() == [["e"]]
    assert type(hits.ids[0, 0]) is str


@pytest.mark.parametrize("dtype", [np.uint8, np.int64])
@pytest.mark.parametrize("removed", [False, True])
def test_a_mask_of_integers_is_refused_with_the_cure(
    index: Index, dtype: type, removed: bool
) -> None:
    if removed:
        index.remove([4])
    message = r"only 0 and 1, as a mask has them, .* give a mask as bool \(astype\(bool\)\)"
    for column in (*COLUMNS.values(), torch_tensor):
        with pytest.raises(IdError, match=message):
            index.search(ROWS[0], filter=column(np.array(CHOSEN, dtype).tolist()))
    for mask in (np.array(CHOSEN, dtype), np.zeros(6, dtype), np.ones(len(index), dtype)):
        with pytest.raises(IdError, match=message):
            index.search_within(ROWS[0], 0, filter=mask)
        with pytest.raises(IdError, match=message):
            index.remove(mask)
    assert index.search(ROWS[0], filter=np.array([1, 0], dtype)).rows.shape == (1, 2)


def test_a_filter_with_a_missing_value_is_refused(index: Index) -> None:
    for mask in (pd.array([*CHOSEN[:5], None], dtype="boolean"), pl.Series([*CHOSEN[:5], None])):
        with pytest.raises(ValueError, match="filter has no value in row 5, wanted one in each"):
            index.search(ROWS[0], filter=mask)
    with pytest.raises(TypeError, match="filter item 5 is None of type NoneType, wanted a bool"):
        index.search(ROWS[0], filter=[*CHOSEN[:5], None])
    with pytest.raises(TypeError, match=r"id 1 is True of type bool.*np.flatnonzero of a mask"):
        index.search(ROWS[0], filter=[0, True])


@pytest.mark.parametrize("wanted", ["abc", b"abc", 3, {"a": 1}, np.float32(1)])
def test_a_filter_that_is_one_value_is_refused(index: Index, wanted: object) -> None:
    with pytest.raises((TypeError, ValueError), match=r"ids (is one|has shape \(\))"):
        index.search(ROWS[0], filter=wanted)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("a dog", r"embeddings are text \(a dog\), wanted floats; use model.embed_texts first"),
        (["a dog", "a cat"], "embeddings are text .* use model.embed_texts first"),
        (pd.Series(["a dog"]), "embeddings are text .* use model.embed_texts first"),
        (Path("dog.png"), "embeddings are PosixPath, wanted floats; use model.embed_images first"),
        (Image.new("RGB", (2, 2)), "embeddings are Image, .* use model.embed_images first"),
        (np.zeros((1, 2, 2, 3), np.uint8), "embeddings are uint8, .* use model.embed_images first"),
        (np.eye(4, dtype=int), "embeddings are int64, wanted floats; convert them with astype"),
        (None, r"embeddings are NoneType, wanted floats; give a numpy array \[rows, width\]"),
        ({"a": [1.0]}, "embeddings are dict, wanted floats; give a numpy array"),
        ({1.0, 2.0}, "embeddings are set, wanted floats; give a numpy array"),
    ],
)
def test_what_is_no_embedding_is_refused_with_the_cure(
    index: Index, given: object, message: str
) -> None:
    with pytest.raises(TypeError, match=message):
        index.search(given)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=message):
        Index.build(given)  # type: ignore[arg-type]


def test_a_long_id_is_quoted_in_one_short_line() -> None:
    named = Index.build(ROWS[:2], ids=["a\n\x1b" * 100_000, "b"])
    wishes = (
        lambda: named.search(ROWS, filter=["x\r\n" * 100_000]),
        lambda: named.add(ROWS[:1], ids=["a\n\x1b" * 100_000]),
        lambda: named.add(ROWS[:1], ids=[b"\n" * 100_000]),
        lambda: named.search(ROWS, filter=[["\n" * 100_000]]),
        lambda: named.search("\n" * 100_000),  # type: ignore[arg-type]
    )
    for wish in wishes:
        with pytest.raises((ValueError, TypeError)) as error:
            wish()
        assert len(str(error.value)) < 250
        assert str(error.value).isprintable()
