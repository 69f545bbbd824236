"""topk, within and rescore against brute force: with codes, without, and under a filter."""

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from search_cases import (
    F32,
    IMPLEMENTATIONS,
    SearchCase,
    assert_ranges,
    assert_topk,
    every_score,
    mean_row,
    search_cases,
    served_by,
    unit_rows,
)

from twinlens_kernels import encode, rescore, squared_lengths, topk, within


@pytest.fixture(params=IMPLEMENTATIONS)
def engine(request: pytest.FixtureRequest) -> Iterator[str]:
    with served_by(request.param):
        yield request.param


@pytest.mark.parametrize("name", IMPLEMENTATIONS)
@settings(max_examples=40, deadline=None)
@given(
    case=search_cases(n_queries=40, n_rows=(0, 300), width=140, k=100),
    coded=st.sampled_from(["no codes", "mean", "zero", "a row", "residual"]),
    threads=st.integers(1, 3),
)
def test_every_search_equals_brute_force_on_any_finite_input(
    name: str, case: SearchCase, coded: str, threads: int
) -> None:
    queries, rows, random = case.queries, case.rows, case.random
    centre = np.zeros(rows.shape[1], dtype=np.float32)
    if len(rows) and coded == "a row":
        centre = rows[random.integers(len(rows))]
    elif len(rows) and coded != "zero":
        centre = mean_row(rows)
    with served_by(name):
        codes = encode(rows, centre=centre, residual=coded == "residual", threads=threads)
        wish = {
            "codes": codes if coded != "no codes" else None,
            "allowed": case.allowed,
            "threads": threads,
        }
        assert_topk(topk(queries, rows, case.k, **wish), queries, rows, case.k, case.allowed)
        # Floors that lie exactly on a score, just above one, and at both ends.
        scores = every_score(queries, rows)
        floors = random.choice([-np.inf, 0.0, np.inf], len(queries))
        if len(rows):
            chosen = random.integers(len(rows), size=len(queries))
            drawn = scores[np.arange(len(queries)), chosen]
            drawn = np.where(random.random(len(drawn)) < 0.3, np.nextafter(drawn, np.inf), drawn)
            floors = np.where(random.random(len(drawn)) < 0.8, drawn, floors)
        assert_ranges(within(queries, rows, floors, **wish), queries, rows, floors, case.allowed)
        if len(rows):
            ids = random.integers(len(rows), size=(len(queries), 5))
            exact = rescore(queries, rows, ids, threads=threads)
            np.testing.assert_array_equal(exact, np.take_along_axis(scores, ids, axis=1))


@pytest.mark.parametrize(("n_queries", "k"), [(1, 10), (3, 700), (40, 10), (300, 2)])
@pytest.mark.parametrize("residual", [False, True])
def test_topk_is_exact_over_many_whole_blocks(
    engine: str, n_queries: int, k: int, residual: bool
) -> None:
    random = np.random.default_rng(7)
    rows = unit_rows(random, 5000, 65, mean=1)
    queries = unit_rows(random, n_queries, 65, mean=1)
    codes = encode(rows, centre=rows.mean(axis=0), residual=residual, threads=2)
    allowed = random.random(len(rows)) < 0.99
    for chosen in (None, allowed):
        found = topk(queries, rows, k, codes=codes, allowed=chosen, threads=3)
        assert_topk(found, queries, rows, k, chosen)


def test_a_squared_length_is_the_score_of_a_row_with_itself(engine: str) -> None:
    random = np.random.default_rng(8)
    for width in (1, 2, 7, 64, 513):
        rows = random.standard_normal((9, width)).astype(np.float32)
        rows[3] = 0
        squared = np.diagonal(every_score(rows, rows))
        np.testing.assert_array_equal(squared_lengths(rows), squared)
        np.testing.assert_array_equal(
            squared_lengths(rows[::2, ::-1]),
            np.diagonal(every_score(rows[::2, ::-1], rows[::2, ::-1])),
        )
    assert squared_lengths(rows[:0]).shape == (0,)


def test_more_threads_than_any_machine_has_are_not_started(engine: str) -> None:
    resource = pytest.importorskip("resource", reason="Windows has none")
    most = 2**28 if sys.platform == "darwin" else 2**18  # in bytes there, in KiB elsewhere
    rows = np.ones((2000, 8), dtype=np.float32)
    codes = encode(rows, centre=rows[0], threads=10**30)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for chosen in (codes, None):
        assert topk(rows[:1], rows, 1, codes=chosen, threads=10**9)[0].tolist() == [[0]]
        assert len(within(rows[:1], rows, np.zeros(1), codes=chosen, threads=2**63).ids) == 2000
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < most


def test_many_equal_rows_are_no_trouble(engine: str) -> None:
    rows = np.ones((20_000, 64), dtype=np.float32)
    codes = encode(rows, centre=np.zeros(64, dtype=np.float32))
    ids, scores = topk(rows[:2], rows, 5, codes=codes, threads=2)
    assert ids.tolist() == [[0, 1, 2, 3, 4]] * 2
    assert (scores == 64).all()


def test_a_mapped_corpus_is_searched_as_any(engine: str, tmp_path: Path) -> None:
    random = np.random.default_rng(8)
    rows = unit_rows(random, 3000, 100, mean=1)
    rows.tofile(tmp_path / "rows")
    mapped = np.asarray(np.memmap(tmp_path / "rows", np.float32, "r", shape=rows.shape))
    codes = encode(mapped, centre=rows.mean(axis=0), residual=True)
    assert_topk(topk(rows[:5], mapped, 7, codes=codes), rows[:5], mapped, 7)


def test_rows_too_wide_for_codes_are_searched_all_the_same(engine: str) -> None:
    random = np.random.default_rng(9)
    rows = random.standard_normal((6, 2**16 + 1)).astype(np.float32)
    codes = encode(rows, centre=rows[0])
    assert_topk(topk(rows[:2], rows, 3, codes=codes), rows[:2], rows, 3)
    floors = np.zeros(2)
    assert_ranges(within(rows[:2], rows, floors, codes=codes), rows[:2], rows, floors)


def test_the_widest_rows_with_codes_stay_within_their_integers(engine: str) -> None:
    # Largest codes against largest numbers, in both signs: sums come near 2**31.
    rows = np.ones((4, 2**16), dtype=np.float32) * np.array([[1], [-1], [2], [-2]], np.float32)
    codes = encode(rows, centre=np.zeros(2**16, dtype=np.float32))
    for queries in (rows[:1], np.repeat(rows, 10, axis=0)):
        assert_topk(topk(queries, rows, 4, codes=codes), queries, rows, 4)


def test_a_search_reads_only_the_rows_that_are_allowed() -> None:
    rows = np.ones((3, 2), dtype=np.float32)
    rows[1] = np.nan
    ids, _ = topk(rows[:1], rows, 3, allowed=np.array([True, False, True]))
    assert ids.tolist() == [[0, 2]]


ROWS = np.ones((2, 3), dtype=np.float32)


@pytest.mark.parametrize(
    ("queries", "corpus", "k", "threads", "error", "message"),
    [
        (ROWS, ROWS, 0, 1, ValueError, "k is 0, wanted at least 1"),
        (ROWS, ROWS, 1, 0, ValueError, "threads is 0, wanted at least 1"),
        (ROWS[:, :2], ROWS, 1, 1, ValueError, "width 2, but the corpus has width 3"),
        (ROWS[0], ROWS, 1, 1, ValueError, r"queries has shape \(3,\), wanted two dimensions"),
        (ROWS[:, :0], ROWS[:, :0], 1, 1, ValueError, "queries has width 0, wanted 1 to 1048576"),
        (ROWS, ROWS.astype(float), 1, 1, TypeError, "corpus is float64, wanted a float32 array"),
        (ROWS.tolist(), ROWS, 1, 1, TypeError, "queries is list, wanted a float32 array"),
        (ROWS, ROWS, True, 1, TypeError, "k is a bool, wanted an integer of at least 1"),
        (ROWS, ROWS, 1, 2.0, TypeError, "threads is a float, wanted an integer of at least 1"),
    ],
)
def test_a_wrong_argument_is_told_apart(
    queries: F32, corpus: F32, k: int, threads: int, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        topk(queries, corpus, k, threads=threads)


@pytest.mark.parametrize(
    ("wish", "error", "message"),
    [
        ({"allowed": np.ones(3, bool)}, ValueError, r"allowed has shape \(3,\), wanted \(2,\)"),
        ({"allowed": np.ones(2, int)}, TypeError, "allowed is int64, wanted a bool array"),
        (
            {"codes": encode(ROWS[:1], centre=ROWS[0])},
            ValueError,
            r"codes are of 1 rows of width 3, but the corpus has shape \(2, 3\)",
        ),
    ],
)
def test_a_wrong_wish_is_told_apart(
    wish: dict[str, object], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        topk(ROWS, ROWS, 1, **wish)
    with pytest.raises(error, match=message):
        within(ROWS, ROWS, np.zeros(2), **wish)


def test_wrong_floors_and_ids_are_told_apart() -> None:
    with pytest.raises(TypeError, match="floors is float32, wanted a float64 array"):
        within(ROWS, ROWS, np.zeros(2, np.float32))
    with pytest.raises(ValueError, match=r"floors has shape \(3,\), wanted \(2,\): one a query"):
        within(ROWS, ROWS, np.zeros(3))
    with pytest.raises(ValueError, match="the floor of query 1 is nan"):
        within(ROWS, ROWS, np.array([0, np.nan]))
    with pytest.raises(TypeError, match="ids is int32, wanted an int64 array"):
        rescore(ROWS, ROWS, np.zeros((2, 1), np.int32))
    with pytest.raises(ValueError, match=r"ids has shape \(1, 1\), wanted \[2, C\]"):
        rescore(ROWS, ROWS, np.zeros((1, 1), np.int64))
    with pytest.raises(IndexError, match="ids run from 0 to 2, wanted 0 to 1"):
        rescore(ROWS, ROWS, np.array([[0], [2]]))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_query_that_is_not_finite_is_named(bad: float) -> None:
    queries = ROWS.copy()
    queries[1, 2] = bad
    codes = encode(ROWS, centre=ROWS[0])
    message = f"queries row 1 holds {bad}, wanted finite numbers"
    with pytest.raises(ValueError, match=message):
        topk(queries, ROWS, 1, codes=codes)
    with pytest.raises(ValueError, match=message):
        within(queries, ROWS, np.zeros(2), codes=codes)
    with pytest.raises(ValueError, match=message):
        rescore(queries, ROWS, np.zeros((2, 1), np.int64))


@pytest.mark.parametrize("floor", [np.finfo(np.float64).max, np.inf])
def test_a_floor_beyond_every_score_finds_nothing(floor: float) -> None:
    tiny = np.full((1, 5), 1e-40, dtype=np.float32)
    found = within(tiny, np.ones((70, 5), dtype=np.float32), np.array([floor]))
    assert found.starts.tolist() == [0, 0]


def test_rows_at_odd_addresses_are_copied() -> None:
    rows = np.random.default_rng(0).standard_normal((70, 5)).astype(np.float32)
    bytes_ = np.empty(rows.nbytes + 1, dtype=np.uint8)
    odd = bytes_[1:].view(np.float32).reshape(rows.shape)
    odd[:] = rows
    assert not odd.flags.aligned
    np.testing.assert_array_equal(
        rescore(odd[:3], odd, np.arange(6).reshape(3, 2)),
        rescore(rows[:3], rows, np.arange(6).reshape(3, 2)),
    )
