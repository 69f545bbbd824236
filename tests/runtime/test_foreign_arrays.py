"""Arrays and columns of torch, pandas, polars, pyarrow and ml_dtypes, read as numpy arrays."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from twinlens.foreign_arrays import as_array

torch = pytest.importorskip("torch")
ml_dtypes = pytest.importorskip("ml_dtypes")

# Exact in bfloat16.
ROWS = np.random.default_rng(0).integers(-9, 9, (6, 4)).astype(np.float32)
CHUNKS = pa.chunked_array([pa.array(ROWS[:2].tolist()), pa.array(ROWS[2:].tolist())])

VECTORS: dict[str, Callable[[], Any]] = {
    "list": ROWS.tolist,
    "list of arrays": lambda: list(ROWS),
    "object array": lambda: pd.Series(list(ROWS)).to_numpy(),
    "masked array without a mask": lambda: np.ma.masked_array(ROWS),
    "Series": lambda: pd.Series(list(ROWS)),
    "Series of lists": lambda: pd.Series(ROWS.tolist()),
    "Series of pyarrow": lambda: pd.Series(
        ROWS.tolist(), dtype=pd.ArrowDtype(pa.list_(pa.float32()))
    ),
    "DataFrame": lambda: pd.DataFrame(ROWS),
    "polars List": lambda: pl.Series(ROWS.tolist()),
    "polars Array": lambda: pl.Series(ROWS.tolist(), dtype=pl.Array(pl.Float32, 4)),
    "polars DataFrame": lambda: pl.DataFrame(ROWS),
    "pyarrow list": lambda: pa.array(ROWS.tolist()),
    "pyarrow fixed-size list": lambda: pa.FixedSizeListArray.from_arrays(ROWS.ravel(), 4),
    "pyarrow slice": lambda: pa.FixedSizeListArray.from_arrays(
        np.concatenate([ROWS, ROWS]).ravel(), 4
    )[6:],
    "pyarrow chunks": lambda: CHUNKS,
    "pyarrow tensors": lambda: pa.FixedShapeTensorArray.from_numpy_ndarray(ROWS),
    "tensor": lambda: torch.from_numpy(ROWS),
    "tensor with a gradient": lambda: torch.nn.Parameter(torch.from_numpy(ROWS)),
    "bfloat16 tensor": lambda: torch.from_numpy(ROWS).bfloat16(),
    "list of bfloat16 tensors": lambda: list(torch.from_numpy(ROWS).bfloat16()),
    "bfloat16 array": lambda: ROWS.astype(ml_dtypes.bfloat16),
}


@pytest.mark.parametrize("kind", VECTORS)
def test_vectors_of_any_library_are_rows(kind: str) -> None:
    array = as_array(VECTORS[kind](), "embeddings")
    assert array.dtype.kind == "f"
    np.testing.assert_array_equal(array, ROWS)


@pytest.mark.parametrize(
    "empty",
    [pa.array([], type=pa.list_(pa.float32(), 4)), torch.empty((0, 4), dtype=torch.bfloat16)],
)
def test_no_vectors_have_their_width(empty: object) -> None:
    assert as_array(empty, "embeddings").shape == (0, 4)


@pytest.mark.parametrize(
    "column",
    [
        pd.Series([True, None, False]),
        pd.array([True, None, False], dtype="boolean"),
        pd.Series([[1.0], None]),
        pl.Series([True, None, False]),
        pl.Series([[1.0], None]),
        pa.array([True, None, False]),
        pa.array([[1.0], None]),
        np.ma.masked_array([[1.0], [2.0]], [[False], [True]]),
    ],
)
def test_a_missing_value_is_named_and_not_filled(column: object) -> None:
    with pytest.raises(ValueError, match="filter has no value in row 1, wanted one in each"):
        as_array(column, "filter")


def test_a_missing_number_of_a_vector_is_refused() -> None:
    with pytest.raises(ValueError, match="embeddings have no number near row 1"):
        as_array(pa.array([[1.0, 2.0], [None, 1.0]]), "embeddings")


@pytest.mark.parametrize(
    "ragged",
    [
        [[1.0, 2.0], [1.0]],
        pd.Series([[1.0, 2.0], [1.0]]),
        pl.Series([[1.0, 2.0], [1.0]]),
        pa.array([[1.0, 2.0], [1.0]]),
        [torch.ones(2), torch.ones(1)],
    ],
)
def test_vectors_of_different_widths_are_told_apart(ragged: object) -> None:
    with pytest.raises(ValueError, match=r"shape \(1,\) in row 1, but \(2,\) in row 0"):
        as_array(ragged, "embeddings")


@pytest.mark.parametrize("tensor", [torch.eye(3).to_sparse(), torch.empty(3, device="meta")])
def test_an_error_of_a_library_does_not_leak(tensor: object) -> None:
    message = "embeddings of type Tensor cannot be read as an array .*; give a numpy array"
    with pytest.raises(TypeError, match=message):
        as_array(tensor, "embeddings")


def test_an_object_without_numbers_is_given_as_it_is() -> None:
    assert as_array(pd.Series(["a", "b"], dtype="string"), "ids").tolist() == ["a", "b"]
    assert as_array(pd.Series(list("abc"), dtype="category"), "ids").tolist() == ["a", "b", "c"]
    assert as_array(np.array(["a", None], dtype=object), "ids").tolist() == ["a", None]
