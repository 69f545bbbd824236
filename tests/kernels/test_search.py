"""topk, within and rescore against brute force: with codes, without, and under a filter."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from twinlens_kernels import NATIVE, Codes, encode, reference, rescore, search, topk, within

F32 = NDArray[np.float32]
Matrices = Mapping[str, Callable[[np.random.Generator, tuple[int, int]], F32]]
ENGINES = ("numpy",)
if NATIVE:
    from twinlens_kernels.native import PATHS

    ENGINES += PATHS


@contextmanager
def served_by(engine: str) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(search, "NATIVE", engine != "numpy")
        patch.setattr(search, "PATH", engine)
        yield


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> Iterator[str]:
    with served_by(request.param):
        yield request.param


def every_score(queries: F32, rows: F32) -> NDArray[np.float64]:
    """The scores [Q, N] by definition."""
    scores = np.empty((len(queries), len(rows)))
    for row, query in enumerate(queries.astype(np.float64)):
        scores[row] = reference.halving_sum(rows.astype(np.float64) * query)
    return scores


def as_float32(scores: NDArray[np.float64]) -> F32:
    with np.errstate(over="ignore"):
        return scores.astype(np.float32)


def assert_topk(
    queries: F32,
    rows: F32,
    k: int,
    *,
    codes: Codes | None,
    allowed: NDArray[np.bool_] | None,
    threads: int,
) -> None:
    ids, scores = topk(queries, rows, k, codes=codes, allowed=allowed, threads=threads)
    kept = np.arange(len(rows)) if allowed is None else np.flatnonzero(allowed)
    places, wanted = reference.topk(queries, rows[kept], k)
    np.testing.assert_array_equal(ids, kept[places])
    np.testing.assert_array_equal(scores, as_float32(wanted))
    assert (ids.dtype, scores.dtype) == (np.int64, np.float32)


def assert_within(
    queries: F32,
    rows: F32,
    floors: NDArray[np.float64],
    *,
    codes: Codes | None,
    allowed: NDArray[np.bool_] | None,
    threads: int,
) -> None:
    ranges = within(queries, rows, floors, codes=codes, allowed=allowed, threads=threads)
    scores = every_score(queries, rows)
    hits = scores >= floors[:, None]
    if allowed is not None:
        hits &= allowed
    np.testing.assert_array_equal(np.diff(ranges.starts), hits.sum(axis=1))
    for query in range(len(queries)):
        part = slice(ranges.starts[query], ranges.starts[query + 1])
        ids = np.flatnonzero(hits[query])
        ids = ids[np.argsort(-scores[query, ids], kind="stable")]
        np.testing.assert_array_equal(ranges.ids[part], ids)
        np.testing.assert_array_equal(ranges.scores[part], as_float32(scores[query, ids]))
    assert (ranges.starts.dtype, ranges.ids.dtype) == (np.int64, np.int64)
    assert ranges.scores.dtype == np.float32


@pytest.mark.parametrize("name", ENGINES)
@settings(max_examples=40, deadline=None)
@given(
    kinds=st.tuples(st.integers(0, 99), st.integers(0, 99)),
    n_queries=st.integers(0, 40),
    n_rows=st.integers(0, 300),
    width=st.integers(1, 140),
    k=st.integers(1, 100),
    share_allowed=st.sampled_from([None, 0.0, 0.02, 0.5, 1.0]),
    coded=st.sampled_from(["no codes", "mean", "zero", "a row", "residual"]),
    threads=st.integers(1, 3),
    seed=st.integers(0, 2**32 - 1),
)
def test_every_search_equals_brute_force_on_any_finite_input(
    name: str,
    matrices: Matrices,
    kinds: tuple[int, int],
    n_queries: int,
    n_rows: int,
    width: int,
    k: int,
    share_allowed: float | None,
    coded: str,
    threads: int,
    seed: int,
) -> None:
    random, makers = np.random.default_rng(seed), list(matrices.values())
    queries = makers[kinds[0] % len(makers)](random, (n_queries, width))
    rows = makers[kinds[1] % len(makers)](random, (n_rows, width))
    allowed = None if share_allowed is None else random.random(n_rows) < share_allowed
    centre = np.zeros(width, dtype=np.float32)
    if n_rows and coded == "a row":
        centre = rows[random.integers(n_rows)]
    elif n_rows and coded != "zero":
        centre = rows.mean(axis=0, dtype=np.float64).astype(np.float32)
    with served_by(name):
        codes = encode(rows, centre=centre, residual=coded == "residual", threads=threads)
        wish = {
            "codes": codes if coded != "no codes" else None,
            "allowed": allowed,
            "threads": threads,
        }
        assert_topk(queries, rows, k, **wish)
        # Floors that lie exactly on a score, just above one, and at both ends.
        scores = every_score(queries, rows)
        floors = random.choice([-np.inf, 0.0, np.inf], n_queries)
        if n_rows:
            drawn = scores[np.arange(n_queries), random.integers(n_rows, size=n_queries)]
            drawn = np.where(random.random(n_queries) < 0.3, np.nextafter(drawn, np.inf), drawn)
            floors = np.where(random.random(n_queries) < 0.8, drawn, floors)
        assert_within(queries, rows, floors, **wish)
        if n_rows:
            ids = random.integers(n_rows, size=(n_queries, 5))
            exact = rescore(queries, rows, ids, threads=threads)
            np.testing.assert_array_equal(exact, np.take_along_axis(scores, ids, axis=1))


def near(random: np.random.Generator, n_rows: int, width: int) -> F32:
    """Unit rows about a common mean, as embeddings lie."""
    rows = 1 + random.standard_normal((n_rows, width))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize(("n_queries", "k"), [(1, 10), (3, 700), (40, 10), (300, 2)])
@pytest.mark.parametrize("residual", [False, True])
def test_topk_is_exact_over_many_whole_blocks(
    engine: str, n_queries: int, k: int, residual: bool
) -> None:
    random = np.random.default_rng(7)
    rows, queries = near(random, 5000, 65), near(random, n_queries, 65)
    codes = encode(rows, centre=rows.mean(axis=0), residual=residual, threads=2)
    allowed = random.random(len(rows)) < 0.99
    for chosen in (None, allowed):
        assert_topk(queries, rows, k, codes=codes, allowed=chosen, threads=3)


def test_many_equal_rows_are_no_trouble(engine: str) -> None:
    rows = np.ones((20_000, 64), dtype=np.float32)
    codes = encode(rows, centre=np.zeros(64, dtype=np.float32))
    ids, scores = topk(rows[:2], rows, 5, codes=codes, threads=2)
    assert ids.tolist() == [[0, 1, 2, 3, 4]] * 2
    assert (scores == 64).all()


def test_a_mapped_corpus_is_searched_as_any(engine: str, tmp_path: Path) -> None:
    random = np.random.default_rng(8)
    rows = near(random, 3000, 100)
    rows.tofile(tmp_path / "rows")
    mapped = np.asarray(np.memmap(tmp_path / "rows", np.float32, "r", shape=rows.shape))
    codes = encode(mapped, centre=rows.mean(axis=0), residual=True)
    assert_topk(rows[:5], mapped, 7, codes=codes, allowed=None, threads=1)


def test_rows_too_wide_for_codes_are_searched_all_the_same(engine: str) -> None:
    random = np.random.default_rng(9)
    rows = random.standard_normal((6, 2**16 + 1)).astype(np.float32)
    codes = encode(rows, centre=rows[0])
    assert_topk(rows[:2], rows, 3, codes=codes, allowed=None, threads=1)
    assert_within(rows[:2], rows, np.zeros(2), codes=codes, allowed=None, threads=1)


def test_the_widest_rows_with_codes_stay_within_their_integers(engine: str) -> None:
    # Largest codes against largest numbers, in both signs: sums come near 2**31.
    rows = np.ones((4, 2**16), dtype=np.float32) * np.array([[1], [-1], [2], [-2]], np.float32)
    codes = encode(rows, centre=np.zeros(2**16, dtype=np.float32))
    for queries in (rows[:1], np.repeat(rows, 10, axis=0)):
        assert_topk(queries, rows, 4, codes=codes, allowed=None, threads=1)


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
