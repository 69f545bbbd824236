import numpy as np
import pytest

from twinlens.normalization import unit_rows

FLOAT32_EPSILON = 2.0**-23


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_rows_get_length_one_whatever_their_type(dtype: type) -> None:
    rows = np.random.default_rng(0).standard_normal((7, 65)).astype(dtype)
    unit = unit_rows(rows)
    assert unit.dtype == np.float32
    lengths = np.linalg.norm(unit.astype(np.float64), axis=1)
    np.testing.assert_allclose(lengths, 1, rtol=FLOAT32_EPSILON)


@pytest.mark.parametrize("size", [5e-324, 1e-300, 1e-45, 1.0, 1e38, 1e308])
def test_neither_tiny_nor_huge_rows_lose_their_direction(size: float) -> None:
    unit = unit_rows(np.array([[size, -size, 0.0]]))
    np.testing.assert_allclose(unit, [[0.5**0.5, -(0.5**0.5), 0]], rtol=FLOAT32_EPSILON)


def test_a_zero_row_stays_zero() -> None:
    assert unit_rows(np.array([[0.0, 0.0], [3.0, 4.0]])).tolist() == [
        [0, 0],
        [np.float32(0.6), np.float32(0.8)],
    ]


def test_rows_are_scaled_alike_in_every_block() -> None:
    rows = np.ones((3, 2**20), dtype=np.float16)
    assert (unit_rows(rows) == 2.0**-10).all()


def test_the_rows_given_are_left_as_they_are() -> None:
    rows = np.full((2, 2), 3.0)
    unit_rows(rows)
    assert (rows == 3).all()


def test_a_row_that_is_not_finite_is_named() -> None:
    rows = np.zeros((9, 3))
    rows[4, 1] = np.nan
    with pytest.raises(ValueError, match="embedding 4 holds NaN or infinity"):
        unit_rows(rows)


def test_integers_and_wrong_shapes_are_refused() -> None:
    with pytest.raises(TypeError, match="embeddings are int64, wanted floats"):
        unit_rows(np.ones((2, 2), dtype=np.int64))
    with pytest.raises(ValueError, match=r"embeddings have shape \(2,\), wanted \[rows, width\]"):
        unit_rows(np.ones(2))


@pytest.mark.parametrize("width", [1, 2, 3, 16, 700])
def test_unit_rows_stay_to_the_bit(width: int) -> None:
    once = unit_rows(np.random.default_rng(width).standard_normal((20_000 // width, width)))
    np.testing.assert_array_equal(unit_rows(once), once)
    # A float64 row as close to length 1 is scaled first: its rounding may move it once more.
    wide = once[:1].astype(np.float64) * (1 + 2.0**-24)
    assert abs(np.linalg.norm(unit_rows(wide).astype(np.float64)) - 1) < 2.0**-24
