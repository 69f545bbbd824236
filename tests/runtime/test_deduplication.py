import numpy as np

from twinlens.deduplication import first_equal_rows


def test_each_row_is_led_to_the_first_that_is_the_same() -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(2500, 16)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    rows[7] = rows[3]
    rows[2400] = rows[3] + np.float32(1e-7)
    wanted = np.arange(2500)
    wanted[[7, 2400]] = 3
    np.testing.assert_array_equal(first_equal_rows(rows), wanted)


def test_near_is_not_the_same() -> None:
    rows = np.array([[1, 0], [np.cos(0.01), np.sin(0.01)]], dtype=np.float32)
    assert first_equal_rows(rows).tolist() == [0, 1]


def test_no_rows_have_no_duplicates() -> None:
    assert first_equal_rows(np.zeros((0, 4), dtype=np.float32)).shape == (0,)
