"""Division of the scores of a search on a device into groups and halls."""

import numpy as np
import pytest

from twinlens_kernels.graphs.nearest import cuts, padded_rows


@pytest.mark.parametrize("n_rows", [1, 7, 33, 1000, 4097, 99_999, 1_000_000, 2**21, 10_000_000])
@pytest.mark.parametrize("wanted", [1, 138, 1104, 8192])
def test_cuts_hold_every_row_once_and_keep_as_many_as_are_wanted(n_rows: int, wanted: int) -> None:
    padded = padded_rows(n_rows)
    assert n_rows <= padded <= n_rows + n_rows // 16
    inputs = cuts(3, padded, wanted)
    n_queries, halls, hall, size = inputs["grouping"].tolist()
    assert (n_queries, halls * hall * size) == (3, padded)
    starts = inputs["starts"]
    assert starts.shape == (halls, hall, 1)
    np.testing.assert_array_equal(starts.ravel(), size * np.arange(halls * hall))
    (kept,), (kept_again,) = inputs["kept"], inputs["kept_again"]
    assert kept == min(wanted, size)
    assert inputs["regrouping"].tolist() == [3, halls, hall * kept]
    assert kept_again == min(wanted, hall * kept)
    assert inputs["wanted"] == min(wanted, padded)


def test_a_million_scores_are_read_by_many_groups_of_threads() -> None:
    inputs = cuts(1, 2**20, 138)
    _, halls, hall, size = inputs["grouping"].tolist()
    assert size <= 4096
    assert halls * hall >= 256
    assert hall * inputs["kept"][0] <= size
    assert halls * inputs["kept_again"][0] <= size
