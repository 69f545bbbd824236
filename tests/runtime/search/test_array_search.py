"""Search of arrays where they lie: hits, order and cosines are those of the rows scaled to unit."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from search_cases import KINDS, SEEDS, draw, every_score

from twinlens.normalization import unit_rows
from twinlens.search import array_search
from twinlens.search.array_search import nearest_in_array
from twinlens.search.semantic_search import semantic_search
from twinlens_kernels import NATIVE

FLOATS = ("<f2", "<f4", "<f8", ">f4", ">f8", "g")
LAYOUTS = ("as made", "every second", "by columns", "backwards")


def laid_out(rows: NDArray[np.float32], layout: str) -> NDArray[np.float32]:
    """The same rows in another layout in memory."""
    if layout == "every second":
        return np.repeat(rows, 2, axis=0)[::2]
    if layout == "backwards":
        return rows[::-1].copy()[::-1]
    return np.asfortranarray(rows) if layout == "by columns" else rows


@settings(max_examples=120, deadline=None)
@given(
    KINDS,
    st.tuples(st.integers(0, 7), st.integers(0, 90), st.integers(1, 70)),
    st.integers(1, 40),
    st.sampled_from(FLOATS),
    st.sampled_from(LAYOUTS),
    st.sampled_from([0.0, 1e-7, 1.0]),
    SEEDS,
)
def test_hits_are_those_of_brute_force_over_unit_rows(
    kinds: tuple[int, int],
    shape: tuple[int, int, int],
    k: int,
    dtype: str,
    layout: str,
    spread: float,
    seed: int,
) -> None:
    random = np.random.default_rng(seed)
    n_queries, n_rows, width = shape
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        rows = draw(kinds[1], random, (n_rows, width)).astype(dtype)
        if n_rows > 3:  # twins and near twins at the edge of the hits
            rows[n_rows // 2 :: 3] = rows[1] * (1 + spread * random.standard_normal())
    rows[~np.isfinite(rows)] = 1
    rows = laid_out(rows, layout)
    queries = unit_rows(np.concatenate([draw(kinds[0], random, (n_queries, width)), rows[:1]]))
    unit = unit_rows(rows)
    squared = [np.einsum("nn->n", every_score(side, side)) for side in (queries, unit)]
    lengths = np.outer(*[np.where(square == 0, 1, square) for square in squared])
    wanted = every_score(queries, unit) / np.sqrt(lengths)
    order = np.argsort(-wanted, axis=1, kind="stable")[:, :k]
    for native in {NATIVE, False}:
        for pending in (2**20, 3):
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(array_search, "NATIVE", native)
                patch.setattr(array_search, "_MOST_PENDING", pending)
                patch.setattr(array_search, "_BLOCK_ESTIMATES", 16 * pending)
                patch.setattr(array_search, "_BLOCK_NUMBERS", 16 * pending)
                ids, cosines = nearest_in_array(queries, rows, k, threads=2)
            np.testing.assert_array_equal(ids, order)
            np.testing.assert_array_equal(cosines, np.take_along_axis(wanted, order, axis=1))


@pytest.mark.parametrize("n_queries", [0, 1, 9])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_row_that_is_not_finite_is_named_wherever_it_is(
    n_queries: int, dtype: type, bad: float
) -> None:
    rows = np.ones((3000, 8), dtype=dtype)
    rows[2222, 7] = bad
    with pytest.raises(ValueError, match="embedding 2222 holds NaN or infinity"):
        semantic_search(np.ones((n_queries, 8)), rows)


def test_the_rows_are_not_copied() -> None:
    rows = np.random.default_rng(0).standard_normal((40_000, 128), dtype=np.float32)
    for n_queries in (1, 8):
        queries = rows[:n_queries] + np.float32(1e-3)
        semantic_search(queries, rows[:100])
        tracemalloc.start()
        found = semantic_search(queries, rows)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert [hits[0]["response_id"] for hits in found] == list(range(n_queries))
        assert peak < rows.nbytes / 2, f"{n_queries} queries took {peak} bytes"
