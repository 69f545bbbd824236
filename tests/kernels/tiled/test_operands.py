"""Error bound of float32 products, the basis of exactness."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from search_cases import F32, LARGEST, SEEDS, every_score, unit_rows

from twinlens_kernels.tiled.operands import Queries, Tile


@settings(max_examples=300, deadline=None)
@given(
    width=st.integers(1, 300),
    query_exponents=st.tuples(st.integers(-149, 127), st.integers(0, 60)),
    row_exponents=st.tuples(st.integers(-149, 127), st.integers(0, 60)),
    seed=SEEDS,
)
def test_the_margin_covers_the_error_of_a_float32_product(
    width: int, query_exponents: tuple[int, int], row_exponents: tuple[int, int], seed: int
) -> None:
    random = np.random.default_rng(seed)

    def matrix(n: int, low: int, span: int) -> F32:
        wide = np.ldexp(
            random.standard_normal((n, width)), random.integers(low, low + span + 1, (n, width))
        )
        return np.clip(wide, -LARGEST, LARGEST).astype(np.float32)

    queries = Queries.prepare(matrix(3, *query_exponents))
    tile = Tile.prepare(matrix(20, *row_exponents), first_row=0)
    product = (queries.scaled @ tile.scaled.T).astype(np.float64)
    margins = np.multiply.outer(queries.reach, tile.lengths).astype(np.float64)
    units = np.ldexp(1.0, queries.exponents + tile.exponent)[:, None]
    exact = every_score(queries.rows, tile.rows)
    assert (np.abs(product - exact / units) <= margins).all()


def test_the_margin_is_small_enough_to_be_of_use() -> None:
    random = np.random.default_rng(0)
    unit = unit_rows(random, 4, 512)
    queries, tile = Queries.prepare(unit), Tile.prepare(unit, first_row=0)
    scale = np.ldexp(1.0, queries.exponents + tile.exponent)
    margins = np.multiply.outer(queries.reach * scale, tile.lengths)
    assert margins.max() < 5e-5


def test_rows_of_common_size_are_not_copied() -> None:
    rows = np.ones((3, 4), dtype=np.float32)
    assert Tile.prepare(rows, first_row=0).scaled is rows
