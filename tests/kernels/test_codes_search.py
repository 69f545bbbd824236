"""Search of codes without rows, by every implementation: exact over the rows they stand for."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from search_cases import (
    IMPLEMENTATIONS,
    SearchCase,
    assert_ranges,
    assert_topk,
    every_score,
    search_cases,
    served_by,
)

from twinlens.normalization import unit_rows
from twinlens_kernels import codes_search, encode
from twinlens_kernels.encoding.dequantise import bounds_alone, dequantise


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@settings(max_examples=60, deadline=None)
@given(
    search_cases(n_queries=20, n_rows=(1, 300), width=70, k=40),
    st.booleans(),
    st.sampled_from([1, 3]),
)
def test_hits_are_those_of_the_dequantised_rows(
    implementation: str, case: SearchCase, residual: bool, threads: int
) -> None:
    rows = unit_rows(case.rows)
    with served_by(implementation):
        coded = encode(rows, centre=rows.mean(axis=0), residual=residual)
        codes, _ = bounds_alone(coded)
        held = dequantise(codes, slice(None))
        found = codes_search.topk(
            case.queries, codes, case.k, allowed=case.allowed, threads=threads
        )
        assert_topk(found, case.queries, held, case.k, case.allowed)
        if not len(case.queries):
            return
        scores = every_score(case.queries, held)
        floors = scores[:, case.random.integers(len(rows))]  # exactly on a score
        floors[:1] = -np.inf
        ranges = codes_search.within(
            case.queries, codes, floors, allowed=case.allowed, threads=threads
        )
        assert_ranges(ranges, case.queries, held, floors, case.allowed)


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@pytest.mark.parametrize("residual", [False, True])
def test_threads_share_twins_and_spread_rows_alike(implementation: str, residual: bool) -> None:
    random = np.random.default_rng(0)
    rows = unit_rows(random.standard_normal((20_000, 128)))
    rows[::2] = rows[0]  # half of all rows tie, in the lists of every thread
    with served_by(implementation):
        codes, _ = bounds_alone(encode(rows, centre=rows.mean(axis=0), residual=residual))
        held = dequantise(codes, slice(None))
        queries = np.concatenate([held[:1], rows[1:3], -rows[:1]])
        for k in (1, 7, 3000):
            found = codes_search.topk(queries, codes, k, threads=4)
            assert_topk(found, queries, held, k)


def test_a_damaged_row_is_told_by_its_score() -> None:
    rows = unit_rows(np.random.default_rng(1).standard_normal((300, 16)))
    codes, _ = bounds_alone(encode(rows, centre=rows.mean(axis=0)))
    codes.terms[77, 0] = np.nan
    for implementation in IMPLEMENTATIONS:
        with served_by(implementation):
            if implementation == "numpy":
                with pytest.raises(ValueError, match="row 77 holds nan"):
                    codes_search.topk(rows[:1], codes, 3)
                continue
            ids, scores = codes_search.topk(rows[:1], codes, 3)
            assert (ids[0, 0], scores[0, 0]) == (77, np.inf)
