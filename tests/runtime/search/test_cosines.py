"""Cosines of hits: their order, and the agreement of both searches on them."""

import math
from fractions import Fraction
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from search_cases import F32, F64, every_score

from twinlens.errors import IndexFileError
from twinlens.normalization import unit_rows
from twinlens.search import cosines as searches
from twinlens.search.cosines import Cosines, nearest, reaching
from twinlens.search.semantic_search import semantic_search
from twinlens_kernels import topk, within


def every_cosine(queries: F32, rows: F32) -> F64:
    """Return the cosines [Q, N] by their definition."""
    squared = np.outer(
        np.diagonal(every_score(queries, queries)), np.diagonal(every_score(rows, rows))
    )
    return every_score(queries, rows) / np.sqrt(np.where(squared == 0, 1, squared))


def ranked(cosines: F64, k: int, allowed: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the rows [Q, K] of highest cosine; of equals, the lower row."""
    kept = np.flatnonzero(allowed)
    return kept[np.argsort(-cosines[:, kept], axis=1, kind="stable")[:, :k]]


@st.composite
def unit_cases(draw: st.DrawFn) -> tuple[F32, F32, int]:
    """Queries and rows among which twins, near twins, zero rows and plain rows are frequent."""
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n_rows, width = draw(st.integers(1, 120)), draw(st.integers(1, 20))
    middles = random.standard_normal((draw(st.integers(1, 6)), width))
    rows = middles[random.integers(len(middles), size=n_rows)]
    spread = draw(st.sampled_from([0, 1e-9, 1e-7, 1e-6, 1e-4, 1]))
    rows = rows * (1 + 1e-7 * random.random((n_rows, 1))) + spread * random.standard_normal(
        rows.shape
    )
    rows[random.random(n_rows) < draw(st.sampled_from([0, 0.1]))] = 0
    unit = unit_rows(rows)
    queries = np.concatenate([unit[:3], -unit[:1], unit_rows(middles[:2]), 0 * unit[:1]])
    return queries, unit, draw(st.integers(1, 30))


@settings(max_examples=150, deadline=None)
@given(unit_cases(), st.sampled_from([1.0, 0.5, 0.0]))
def test_hits_are_those_of_brute_force_by_cosine(case: tuple[F32, F32, int], share: float) -> None:
    queries, rows, k = case
    allowed = np.random.default_rng(k).random(len(rows)) < share
    wanted = every_cosine(queries, rows)
    ids, found = nearest(
        Cosines(queries=queries, rows=rows),
        k,
        by_score=lambda queries, k: topk(queries, rows, k, allowed=allowed),
        within=lambda queries, floors: within(queries, rows, floors, allowed=allowed),
    )
    np.testing.assert_array_equal(ids, ranked(wanted, k, allowed))
    np.testing.assert_array_equal(found, np.take_along_axis(wanted, ids, axis=1))
    for floor in (np.float32(-1), np.float32(0.5), found.astype(np.float32).flat[:1]):
        for one in np.atleast_1d(floor):
            ranges = reaching(
                Cosines(queries=queries, rows=rows),
                one,
                within=lambda queries, floors: within(queries, rows, floors, allowed=allowed),
            )
            reached = (wanted.astype(np.float32) >= one) & allowed
            np.testing.assert_array_equal(np.diff(ranges.starts), reached.sum(axis=1))
            for query in range(len(queries)):
                part = slice(ranges.starts[query], ranges.starts[query + 1])
                all_ranked = ranked(wanted, len(rows), reached[query])[query]
                np.testing.assert_array_equal(ranges.ids[part], all_ranked)


def test_the_margin_covers_the_difference_of_score_and_cosine() -> None:
    rows = unit_rows(np.random.default_rng(0).standard_normal((300, 5)) * np.geomspace(1e-6, 1, 5))
    difference = np.abs(every_score(rows, rows) - every_cosine(rows, rows)).max()
    assert 2.0**-27 < difference < searches.MARGIN / 2


def test_a_row_has_cosine_one_with_itself_and_no_more_with_any() -> None:
    rows = unit_rows(np.random.default_rng(1).standard_normal((500, 33)))
    ids = np.arange(500)
    found = Cosines(queries=rows, rows=rows).of_rows(ids, threads=1)
    assert (np.diagonal(found) == 1).all()
    assert np.abs(searches.reported(found)).max() == 1


def test_a_cosine_is_within_a_few_roundings_of_the_true_one() -> None:
    query, row = unit_rows(np.random.default_rng(2).standard_normal((2, 513)))
    exact = [[Fraction(float(number)) for number in vector] for vector in (query, row)]
    dot, left, right = (
        sum(a * b for a, b in zip(exact[i], exact[j], strict=True))
        for i, j in ((0, 1), (0, 0), (1, 1))
    )
    (found,) = Cosines(queries=query[None], rows=row[None]).of_rows(np.array([0]), threads=1)
    assert math.isclose(found[0], float(dot) / math.sqrt(left * right), rel_tol=1e-13)


@pytest.mark.parametrize(("most_pairs", "scans"), [(2**24, 1), (1, 2)])
@pytest.mark.parametrize("n_twins", [0, 3, 20, 1000])
def test_only_twins_at_the_last_hit_need_a_scan(
    monkeypatch: pytest.MonkeyPatch, n_twins: int, most_pairs: int, scans: int
) -> None:
    monkeypatch.setattr(searches, "_MOST_PAIRS", most_pairs)
    rows = unit_rows(np.random.default_rng(3).standard_normal((2000, 16)))
    rows[500 : 500 + n_twins] = rows[7]
    asked = []

    def counted(queries: F32, floors: F64) -> object:
        asked.append(len(queries))
        return within(queries, rows, floors)

    queries = rows[[7, 3, 7]]
    ids, _ = nearest(
        Cosines(queries=queries, rows=rows), 5, by_score=partial(by_score, rows), within=counted
    )
    assert asked == ([] if n_twins < 5 else [2 // scans] * scans)
    assert ids[0].tolist() == ids[2].tolist()
    if n_twins >= 5:
        assert ids[0].tolist() == [7, 500, 501, 502, 503]


def by_score(rows: F32, queries: F32, k: int) -> tuple[NDArray[np.int64], F64]:
    return topk(queries, rows, k)


def test_rows_beyond_one_copy_are_compared_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = unit_rows(np.random.default_rng(4).standard_normal((60, 8)))
    rows[9] = 0
    ids = np.array([5, 9, 5, 59, 0, 9])
    whole = Cosines(queries=rows[:3], rows=rows).of_rows(ids, threads=1)
    monkeypatch.setattr(searches, "_GATHERED_NUMBERS", 16)
    np.testing.assert_array_equal(
        Cosines(queries=rows[:3], rows=rows).of_rows(ids, threads=1), whole
    )


@pytest.mark.parametrize("bad", [np.nan, np.inf, 0.5])
def test_a_hit_that_is_no_unit_row_is_damaged(bad: float) -> None:
    rows = unit_rows(np.eye(4))
    rows[2, 2] = bad
    with pytest.raises(IndexFileError, match="row 2 of the index is damaged: its squared length"):
        Cosines(queries=rows[:1], rows=rows).of_rows(np.array([1, 2, 3]), threads=1)


def test_semantic_search_ranks_by_cosine_too() -> None:
    random = np.random.default_rng(5)
    rows = random.standard_normal((300, 64)).astype(np.float32)
    twins = (rows * (1 + 1e-7) + 1e-6 * random.standard_normal(rows.shape)).astype(np.float32)
    found = semantic_search(rows, np.concatenate([twins, rows]), top_k=1)
    assert [hits[0] for hits in found] == [
        {"response_id": 300 + row, "score": 1.0} for row in range(300)
    ]
