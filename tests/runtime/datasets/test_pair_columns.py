"""Columns of pairs, as lists, arrays and Series; a value of another kind is refused."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from twinlens.datasets.pairs import Pairs
from twinlens.errors import PairsError

IMAGES, TEXTS = ["a.png", "b.png", "c.png"], ["a", "b", "c"]


def pairs(**columns: object) -> Pairs:
    given: dict[str, Any] = {"images": IMAGES, "texts": TEXTS}
    return Pairs(**(given | columns))


BOOLS = [True, False, True]
ONES = [1, 0, 1]
GOOD_LABELS: dict[str, Any] = {
    "bools": BOOLS,
    "ints": (1, 0, 1),
    "floats": [1.0, 0.0, 1.0],
    "numpy bools": np.array(BOOLS),
    "numpy ints": np.array(ONES, np.uint8),
    "numpy floats": np.array(ONES, np.float32),
    "numpy objects": np.array([True, 0, np.float64(1)], object),
    "arrays of no dimensions": [np.array(1), np.array(0), np.array(True)],
    "pandas bools": pd.Series(BOOLS, index=[7, 7, 1]),
    "pandas ints": pd.Series(ONES),
    "pandas nullable bools": pd.Series(BOOLS, dtype="boolean"),
    "pandas nullable ints": pd.Series(ONES, dtype="Int8"),
    "pandas of arrow": pd.Series(BOOLS, dtype=pd.ArrowDtype(pa.bool_())),
    "polars bools": pl.Series(BOOLS),
    "polars ints": pl.Series(ONES),
    "arrow bools": pa.array(BOOLS),
    "arrow ints": pa.chunked_array([[1, 0], [1]]),
}


@pytest.mark.parametrize("labels", GOOD_LABELS.values(), ids=GOOD_LABELS.keys())
def test_labels_are_bools_or_ones_and_zeros_of_any_library(labels: Sequence[bool]) -> None:
    found = pairs(labels=labels).labels
    assert found == BOOLS
    assert {type(label) for label in found} == {bool}


BAD_LABELS: dict[str, tuple[Any, str]] = {
    "NaN": ([1, 0, float("nan")], "label 2 is nan"),
    "pandas floats with a gap": (pd.Series([1, None, 0]), "label 1 is nan"),
    "None": ([True, None, False], "label 1 is None"),
    "pandas nullable": (pd.Series([1, 0, None], dtype="Int64"), "label 2 is <NA>"),
    "polars nullable": (pl.Series([None, True, True]), "label 0 is None"),
    "arrow nullable": (pa.array([True, True, None]), "label 2 is None"),
    "minus one": ([1, -1, -1], "label 1 is -1"),
    "two": (np.array([0, 1, 2]), r"label 2 is (np.int64\()?2"),
    "probabilities": ([0.9, 0.1, 0.4], "label 0 is 0.9"),
    "strings of digits": (["1", "0", "0"], "label 0 is '1'"),
    "strings of words": ([True, "False", "no"], "label 1 is 'False'"),
    "a masked value": (np.ma.array(ONES, mask=[0, 1, 0]), "label 1 is masked"),
    "a huge number": ([10**5000, 1, 0], "label 0 is a huge int"),
    "lists": ([[1], [0], [1]], r"label 0 is \[1\]"),
    "arrays": ([np.array([1]), 0, 1], "label 0 is array"),
    "a long string": (["no\n" * 10**6, True, True], r"label 0 is 'no\\n"),
    "one string": ("100", "labels is one str"),
    "a matrix": (np.eye(3), "labels is one ndarray"),
    "a set": ({0, 1}, "labels is a set"),
    "a generator": ((label for label in ONES), "labels is a generator; give a list"),
}


@pytest.mark.parametrize(("labels", "message"), BAD_LABELS.values(), ids=BAD_LABELS.keys())
def test_any_other_label_is_refused_with_its_place_and_value(labels: object, message: str) -> None:
    with pytest.raises(PairsError, match=message) as caught:
        pairs(labels=labels)
    assert len(str(caught.value)) < 200
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("library", [pd.Series, pl.Series, pa.array, np.array, tuple])
def test_every_column_may_be_one_of_the_callers_library(
    library: Callable[[list[str]], Sequence[str]],
) -> None:
    found = Pairs(images=library(IMAGES), texts=library(TEXTS), kinds=library(["x", "", "y"]))
    assert (found.images, found.texts, found.kinds) == (IMAGES, TEXTS, ["x", "", "y"])


def test_images_may_be_one_array_of_them() -> None:
    images = np.zeros((3, 8, 8, 3), np.uint8)
    assert [image.shape for image in pairs(images=images).images] == [(8, 8, 3)] * 3


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"texts": "abc"}, "texts is one str; give a list"),
        ({"images": "a.png"}, "images is one str; give a list"),
        ({"images": np.zeros((3, 8, 3), np.uint8)}, "images is one ndarray|images is a ndarray"),
        ({"texts": dict.fromkeys(TEXTS)}, "texts is a dict"),
        ({"texts": ["a", None, "c"]}, "text 1 is None, wanted a string"),
        ({"texts": pd.Series(["a", np.nan, "c"])}, "text 1 is nan, wanted a string"),
        ({"texts": ["a", ["b"], "c"]}, r"text 1 is \['b'\], wanted a string"),
        ({"kinds": [3, 4, 5]}, "class 0 is 3, wanted a string"),
        ({"images": [], "texts": []}, "there are no pairs"),
        ({"images": pd.Series([], dtype=str), "texts": []}, "there are no pairs"),
        ({"labels": [True]}, "3 images and 1 label are not pairs"),
    ],
)
def test_a_column_of_something_else_is_refused(columns: dict[str, Any], message: str) -> None:
    with pytest.raises(PairsError, match=message):
        pairs(**columns)


@pytest.mark.parametrize("kinds", [["x", None, ""], pd.Series(["x", np.nan, pd.NA])])
def test_a_missing_class_is_none(kinds: object) -> None:
    assert pairs(kinds=kinds).kinds == ["x", "", ""]
