"""The schedule of the training."""

import numpy as np
import pytest

from twinlens_demo.training.schedule import COOL_DOWN, SIDES, WARM_UP, rate, side_at


def test_the_rate_warms_up_holds_and_falls_to_zero() -> None:
    assert rate(0) == 0
    assert rate(WARM_UP / 2) == pytest.approx(0.5)
    assert rate(WARM_UP) == rate(0.5) == rate(1 - COOL_DOWN) == 1
    assert rate(1 - COOL_DOWN / 2) == pytest.approx(0.5)
    assert rate(1) == 0


def test_the_rate_never_leaves_its_bounds_nor_rises_twice() -> None:
    rates = np.array([rate(progress) for progress in np.linspace(0, 1, 1001)])
    assert (rates >= 0).all()
    assert (rates <= 1).all()
    steps = np.sign(np.diff(rates.round(9)))
    assert (np.diff(steps[steps != 0]) != 0).sum() == 1


def test_the_pictures_grow_and_end_at_the_models_side() -> None:
    sides = [side_at(progress) for progress in np.linspace(0, 1, 101)]
    assert sides == sorted(sides)
    assert (sides[0], sides[-1]) == (SIDES[0][1], 64)
    assert side_at(SIDES[0][0]) == SIDES[1][1]
