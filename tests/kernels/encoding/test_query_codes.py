"""Bounds between coded queries and coded rows hold, and thresholds exclude no hit."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from search_cases import KINDS, SEEDS, draw, every_score

from twinlens_kernels import encode
from twinlens_kernels.encoding.query_codes import LARGEST_TERM, CodedQueries


@settings(max_examples=300, deadline=None)
@given(
    kinds=KINDS,
    shape=st.tuples(st.integers(1, 40), st.integers(1, 200)),
    n_queries=st.integers(1, 4),
    largest=st.sampled_from([63, 127]),
    centred=st.booleans(),
    seed=SEEDS,
)
def test_bounds_hold_on_any_finite_input(
    kinds: tuple[int, int],
    shape: tuple[int, int],
    n_queries: int,
    largest: int,
    centred: bool,
    seed: int,
) -> None:
    random = np.random.default_rng(seed)
    rows = draw(kinds[0], random, shape)
    queries = draw(kinds[1], random, (n_queries, shape[1]))
    codes = encode(rows, centre=rows[-1] if centred else np.zeros(shape[1], dtype=np.float32))
    asked = CodedQueries.of(queries, codes.centre, largest=largest)
    assert np.abs(asked.codes.astype(int)).max() <= largest
    # As the ONNX model computes.
    usable = (codes.terms <= LARGEST_TERM).all(axis=1)
    scale, left, coded = codes.terms[usable].T[:, :, None]
    products = (codes.codes[usable].astype(np.int32) - 128) @ asked.codes.astype(np.int32)
    bounds = products.astype(np.float32) * scale + (left * asked.per_left + coded * asked.per_coded)
    exact = every_score(queries, rows[usable]).T
    of_row, of_query = np.nonzero(np.ones_like(exact, dtype=np.bool_))
    assert (asked.uppers(bounds[of_row, of_query], of_query) >= exact[of_row, of_query]).all()
    # A floor that is some row's own score lets that row through, and those above it.
    for floor in exact:
        assert (bounds >= asked.thresholds(floor))[exact >= floor].all()


@pytest.mark.parametrize(("floor", "reached"), [(-np.inf, True), (np.inf, False)])
def test_an_infinite_floor_lets_all_or_none_through(floor: float, reached: bool) -> None:
    rows = np.random.default_rng(0).normal(size=(5, 8)).astype(np.float32)
    asked = CodedQueries.of(rows[:2], rows[0], largest=127)
    bounds = np.array([-1e30, 0, 1e30], dtype=np.float32)
    assert (bounds >= asked.thresholds(np.array([floor, floor]))[:, None]).all() == reached
