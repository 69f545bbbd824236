# ruff: noqa: ANN401  arguments of any type are the subject
"""Odd arguments of the public calls: an answer, or an error that was raised here on purpose."""

import linecache
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

import twinlens
import twinlens_kernels
from twinlens.index.index import Index
from twinlens.search.semantic_search import semantic_search
from twinlens_kernels import encode, rescore, topk, within

OURS = tuple(str(Path(module.__file__ or "").parent) for module in (twinlens, twinlens_kernels))
ROWS = np.random.default_rng(0).standard_normal((9, 3)).astype(np.float32)
NAMES = [f"é {number}" for number in range(9)]

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 12),
    st.sampled_from([10**30, -(10**30), 2**63, -(2**63)]),
    st.just(5000).map(lambda digits: -(10**digits)),  # has no repr
    st.floats(),
    st.text(max_size=3),
    st.binary(max_size=3),
    st.builds(Path, st.just("a")),
    st.builds(object),
    st.sampled_from([np.int64(2), np.uint8(3), np.float32(0.5), np.bool_(True), np.str_("a")]),
    st.complex_numbers(),
)
SHAPES = arrays.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)
DTYPES = st.sampled_from(
    ["f2", "f4", "f8", ">f4", "g", "i8", "u1", "u8", "?", "c8", "U2", "S2", "M8[s]", "O"]
)


@st.composite
def odd_arrays(draw: st.DrawFn) -> object:
    """Return an array of any type and shape, often one that fits, in any container."""
    shape = draw(st.one_of(st.sampled_from([(3,), (9,), (2, 3), (9, 3), (0, 3)]), SHAPES))
    random = np.random.default_rng(draw(st.integers(0, 9)))
    with np.errstate(all="ignore"):
        array = np.asarray(3 * random.standard_normal(shape)).round(1)
        array = np.asarray(np.abs(array).astype(draw(DTYPES)) if draw(st.booleans()) else array)
    odd = draw(st.sampled_from([None, np.nan, np.inf, -np.inf, 0, 1e300, 5e-324]))
    if array.size and array.dtype.kind == "f" and odd is not None:
        with np.errstate(over="ignore", under="ignore"):
            array.flat[0] = odd
    wrap: Callable[[Any], object] = draw(
        st.sampled_from(
            [
                lambda array: array,
                lambda array: array.tolist(),
                lambda array: iter(array.tolist() if array.ndim else [array]),
                lambda array: pd.Series(list(array)),
                lambda array: pl.Series(array.tolist(), strict=False),
                lambda array: pa.array(array.tolist()),
                lambda array: np.ma.masked_array(array, np.zeros(array.shape, bool)),
                lambda array: {"a": array},
                lambda array: [array, None],
                lambda array: (array, array),
                lambda array: [array],
                np.asfortranarray,
            ]
        )
    )
    try:
        return wrap(array)
    except Exception:  # noqa: BLE001 - the other library cannot hold it
        return array


VALUES = st.one_of(SCALARS, odd_arrays())


def assert_told(call: Callable[[], object]) -> None:
    """The call answers, or the statement that failed is a `raise` of ours, in one short line."""
    told = None
    try:
        call()
    except (TypeError, ValueError, IndexError, twinlens.TwinlensError) as error:
        told = error
    if told is not None:
        frame = traceback.extract_tb(told.__traceback__)[-1]
        line = linecache.getline(frame.filename, frame.lineno or 0).strip()
        where = f"{type(told).__name__}: {told}\n{frame.filename}:{frame.lineno} {line}"
        assert frame.filename.startswith(OURS), where
        assert line.startswith("raise"), where
        assert str(told).isprintable(), where
        assert len(str(told)) < 400, where


@pytest.fixture(scope="module", params=["none", "int64", "text", "empty"])
def index(request: pytest.FixtureRequest) -> Index:
    ids = {"int64": range(10, 19), "text": NAMES}.get(request.param)
    return Index.build(ROWS[:0] if request.param == "empty" else ROWS, ids=ids)


@settings(max_examples=150, deadline=None)
@given(queries=VALUES, k=SCALARS, wanted=VALUES, threads=SCALARS)
def test_search_answers_or_tells(
    index: Index, queries: Any, k: Any, wanted: Any, threads: Any
) -> None:
    assert_told(lambda: index.search(queries))
    assert_told(lambda: index.search(ROWS, k))
    assert_told(lambda: index.search(ROWS, filter=wanted))
    assert_told(lambda: index.search(ROWS, threads=threads))
    assert_told(lambda: index.search_within(queries, k, filter=wanted, threads=threads))
    assert_told(lambda: index.search_within(ROWS, k))
    assert_told(lambda: index.search_within(ROWS, 0.0).of(k))


@settings(max_examples=150, deadline=None)
@given(rows=VALUES, ids=VALUES, about=VALUES, threads=SCALARS)
def test_build_add_and_remove_answer_or_tell(rows: Any, ids: Any, about: Any, threads: Any) -> None:
    assert_told(lambda: Index.build(rows))
    assert_told(lambda: Index.build(ROWS, ids=ids))
    assert_told(lambda: Index.build(iter([ROWS[:4], ROWS[4:]]), ids=ids))
    assert_told(lambda: Index.build(ROWS, about=about))
    assert_told(lambda: Index.build(ROWS, threads=threads))
    index = Index.build(ROWS, ids=NAMES)
    assert_told(lambda: index.add(rows, ids))
    assert_told(lambda: index.add(ROWS[:1], ids=["new"], threads=threads))
    assert_told(lambda: index.remove(ids))
    assert_told(lambda: Index.build(ROWS).remove(ids))
    assert_told(lambda: index.compact(threads=threads))


@settings(max_examples=150, deadline=None)
@given(rows=VALUES, ids=VALUES, number=SCALARS)
def test_reading_back_and_updating_answer_or_tell(
    index: Index, rows: Any, ids: Any, number: Any
) -> None:
    assert_told(lambda: index.get(ids))
    assert_told(lambda: index.contains(ids))
    assert_told(lambda: number in index)
    assert_told(lambda: [*index.blocks(number)])
    changed = Index.build(ROWS, ids=NAMES)
    assert_told(lambda: changed.update(rows, ids))
    assert_told(lambda: changed.update(ROWS, NAMES, threads=number))
    assert_told(lambda: changed.merge(rows))
    assert_told(lambda: changed.writer(number, threads=number))
    with changed.writer() as writer:
        assert_told(lambda: writer.add(rows, ids))
        assert_told(lambda: writer.add(rows, [f"new {len(writer)}"]))
    assert changed.contains(NAMES).all()


@settings(max_examples=150, deadline=None)
@given(left=VALUES, right=VALUES, k=SCALARS, third=VALUES)
def test_functions_of_arrays_answer_or_tell(left: Any, right: Any, k: Any, third: Any) -> None:
    assert_told(lambda: semantic_search(left, right))
    assert_told(lambda: semantic_search(ROWS, right, top_k=k))
    assert_told(lambda: topk(left, right, k))
    assert_told(lambda: topk(ROWS, ROWS, 3, allowed=third, threads=k))
    assert_told(lambda: within(ROWS, ROWS, third, threads=k))
    assert_told(lambda: rescore(ROWS, ROWS, third, threads=k))
    assert_told(lambda: encode(left, centre=third, threads=k))
    assert_told(lambda: encode(ROWS, centre=third))
