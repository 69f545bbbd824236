"""The comparison of drawings."""

import numpy as np

from twinlens_demo.drawings.drawing_set import identical_drawings


def test_drawings_that_differ_by_less_than_a_level_are_the_same() -> None:
    random = np.random.default_rng(0)
    pixels = random.integers(0, 200, (6, 8, 8, 4)).astype(np.uint8)
    pixels[4] = pixels[1]
    pixels[4, 0, 0, 0] += 1
    pixels[5] = np.roll(pixels[2], 1, axis=0)  # the same mean, another picture
    wanted = np.eye(6, dtype=bool)
    wanted[1, 4] = wanted[4, 1] = True
    np.testing.assert_array_equal(identical_drawings(pixels), wanted)
