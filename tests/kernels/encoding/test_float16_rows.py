"""Scores of halves differ from those of float32 rows by their margin at most."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from search_cases import KINDS, SEEDS, draw, every_score, unit_rows

from twinlens_kernels.encoding.float16_rows import HalfQueries, to_halves


@settings(max_examples=300, deadline=None)
@given(
    kinds=KINDS,
    shape=st.tuples(st.integers(1, 40), st.integers(1, 600)),
    n_queries=st.integers(1, 4),
    seed=SEEDS,
)
def test_margins_hold_on_any_finite_input(
    kinds: tuple[int, int],
    shape: tuple[int, int],
    n_queries: int,
    seed: int,
) -> None:
    random = np.random.default_rng(seed)
    rows = draw(kinds[0], random, shape)
    queries = draw(kinds[1], random, (n_queries, shape[1]))
    halves, bounds = to_halves(rows)
    asked = HalfQueries.of(queries)
    # As a device may compute: in float32, each product and sum rounded, the last one to float16.
    scores = np.zeros((n_queries, len(rows)), dtype=np.float32)
    for component in range(shape[1]):
        scores += np.outer(asked.halves[:, component], halves[:, component].astype(np.float32))
    found = scores.astype(np.float16).astype(np.float64)
    wanted = every_score(queries, rows)
    margins, units = asked.margins(bounds)[:, None], asked.units(bounds)[:, None]
    assert np.isfinite(found).all()
    assert (np.abs(found * units - wanted) <= margins * units).all()


def test_no_half_is_subnormal_and_no_row_is_longer_than_its_bound() -> None:
    random = np.random.default_rng(0)
    rows = np.ldexp(random.normal(size=(500, 70)), random.integers(-30, 30, (500, 1)))
    halves, bounds = to_halves(rows.astype(np.float32))
    assert not ((halves != 0) & (np.abs(halves) < np.finfo(np.float16).smallest_normal)).any()
    scaled = np.ldexp(rows.astype(np.float32).astype(np.float64), -bounds.exponent)
    assert np.linalg.norm(scaled, axis=1).max() <= bounds.length < 2**6 * (1 + 2**-10)
    assert np.linalg.norm(scaled - halves, axis=1).max() <= bounds.error


def test_the_margin_of_unit_rows_is_small() -> None:
    random = np.random.default_rng(0)
    rows = unit_rows(random, 1000, 512)
    _, bounds = to_halves(rows)
    asked = HalfQueries.of(rows[:5])
    assert (asked.margins(bounds) * asked.units(bounds)).max() < 0.005


def test_halves_are_written_where_they_are_wanted() -> None:
    rows, out = np.ones((3, 2), dtype=np.float32), np.zeros((5, 2), dtype=np.float16)
    halves, _ = to_halves(rows, out=out[:3])
    assert halves.base is out
    assert (out[:3] > 0).all()
    assert not out[3:].any()


def test_a_row_that_is_not_finite_is_named() -> None:
    rows = np.ones((9, 2), dtype=np.float32)
    rows[4, 1] = np.nan
    with pytest.raises(ValueError, match="rows row 104 holds nan, wanted finite numbers"):
        to_halves(rows, first_row=100)
