"""Bounds between coded queries and coded rows hold, and floors leave no row out."""

from collections.abc import Callable, Mapping

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from twinlens_kernels import encode, reference
from twinlens_kernels.query_codes import LARGEST_TERM, CodedQueries

F32 = NDArray[np.float32]
Matrices = Mapping[str, Callable[[np.random.Generator, tuple[int, int]], F32]]


@settings(max_examples=300, deadline=None)
@given(
    kinds=st.tuples(st.integers(0, 99), st.integers(0, 99)),
    shape=st.tuples(st.integers(1, 40), st.integers(1, 200)),
    n_queries=st.integers(1, 4),
    largest=st.sampled_from([63, 127]),
    centred=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
)
def test_bounds_hold_on_any_finite_input(
    matrices: Matrices,
    kinds: tuple[int, int],
    shape: tuple[int, int],
    n_queries: int,
    largest: int,
    centred: bool,
    seed: int,
) -> None:
    random, makers = np.random.default_rng(seed), list(matrices.values())
    rows = makers[kinds[0] % len(makers)](random, shape)
    queries = makers[kinds[1] % len(makers)](random, (n_queries, shape[1]))
    codes = encode(rows, centre=rows[-1] if centred else np.zeros(shape[1], dtype=np.float32))
    asked = CodedQueries.of(queries, codes.centre, largest=largest)
    assert np.abs(asked.codes.astype(int)).max() <= largest
    # As the program reckons.
    usable = (codes.terms <= LARGEST_TERM).all(axis=1)
    scale, left, coded = codes.terms[usable].T[:, :, None]
    products = (codes.codes[usable].astype(np.int32) - 128) @ asked.codes.astype(np.int32)
    bounds = products.astype(np.float32) * scale + (left * asked.per_left + coded * asked.per_coded)
    exact = np.stack(
        [reference.halving_sum(rows[usable] * query.astype(np.float64)) for query in queries],
        axis=1,
    )
    of_row, of_query = np.nonzero(np.ones_like(exact, dtype=np.bool_))
    assert (asked.uppers(bounds[of_row, of_query], of_query) >= exact[of_row, of_query]).all()
    # A floor that is some row's own score lets that row through, and those above it.
    for floor in exact:
        assert (bounds >= asked.thresholds(floor))[exact >= floor].all()


@pytest.mark.parametrize(("floor", "hopeful"), [(-np.inf, True), (np.inf, False)])
def test_an_infinite_floor_lets_all_or_none_through(floor: float, hopeful: bool) -> None:
    rows = np.random.default_rng(0).normal(size=(5, 8)).astype(np.float32)
    asked = CodedQueries.of(rows[:2], rows[0], largest=127)
    bounds = np.array([-1e30, 0, 1e30], dtype=np.float32)
    assert (bounds >= asked.thresholds(np.array([floor, floor]))[:, None]).all() == hopeful
