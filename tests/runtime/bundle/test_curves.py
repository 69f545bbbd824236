"""Calibration curves: their formulas, monotone and finite at both ends."""

import math

import numpy as np
import pytest

from twinlens.bundle.curves import BetaCurve, CalibrationCurve, IsotonicCurve, PlattCurve

CURVES: list[CalibrationCurve] = [
    PlattCurve(scale=100, bias=-25),
    BetaCurve(rising=30, falling=2, bias=5),
    BetaCurve(rising=0, falling=3, bias=0),
    IsotonicCurve(cosines=(0.1, 0.2, 0.3), probabilities=(0.01, 0.01, 0.9)),
]


@pytest.mark.parametrize("curve", CURVES)
def test_no_curve_falls(curve: CalibrationCurve) -> None:
    logits = curve.logits(np.linspace(-1, 1, 10_001))
    assert np.isfinite(logits).all()
    assert (np.diff(logits) >= 0).all()


@pytest.mark.parametrize("curve", CURVES)
def test_nan_stays_nan_in_any_shape(curve: CalibrationCurve) -> None:
    found = curve.logits(np.array([[0.2, np.nan], [np.nan, 0.2]]))
    assert np.isnan(found).tolist() == [[False, True], [True, False]]
    assert found[0, 0] == found[1, 1]


def test_beta_is_the_published_formula() -> None:
    share = (1 + 0.25) / 2
    wanted = 3 * math.log(share) - 2 * math.log(1 - share) + 1
    found = BetaCurve(rising=3, falling=2, bias=1).logits(np.array([0.25]))
    assert found[0] == pytest.approx(wanted, rel=1e-12)


def test_stairs_are_straight_between_knots_and_flat_beyond() -> None:
    stairs = IsotonicCurve(cosines=(0.1, 0.3), probabilities=(0.2, 0.8))
    found = stairs.logits(np.array([-1, 0.1, 0.2, 0.3, 1]))
    low, high = math.log(0.25), math.log(4)
    np.testing.assert_allclose(found, [low, low, 0, high, high], atol=1e-12)


@pytest.mark.parametrize("scale", [0, -1, math.nan, math.inf])
def test_a_scale_that_tells_no_matches_is_refused(scale: float) -> None:
    with pytest.raises(ValueError, match="a higher cosine must mean a likelier match"):
        PlattCurve(scale=scale, bias=0)


@pytest.mark.parametrize("bias", [math.nan, math.inf])
def test_a_bias_that_is_not_finite_is_refused(bias: float) -> None:
    with pytest.raises(ValueError, match=f"bias is {bias}, not a finite number"):
        PlattCurve(scale=1, bias=bias)
    with pytest.raises(ValueError, match="not a finite number"):
        BetaCurve(rising=1, falling=1, bias=bias)


@pytest.mark.parametrize(("rising", "falling"), [(-1, 2), (2, -1), (0, 0), (math.nan, 1)])
def test_a_beta_that_may_fall_is_refused(rising: float, falling: float) -> None:
    with pytest.raises(ValueError, match="a higher cosine must mean a likelier match"):
        BetaCurve(rising=rising, falling=falling, bias=0)


@pytest.mark.parametrize(
    ("cosines", "probabilities", "message"),
    [
        ((), (), "0 cosines and 0 probabilities"),
        ((0.1,), (0.1, 0.2), "1 cosines and 2 probabilities"),
        ((0.2, 0.1), (0.1, 0.2), "the steps do not rise"),
        ((0.1, 0.2), (0.2, 0.1), "the steps do not rise"),
        ((0.1, 0.2), (0.0, 0.1), "not between 0 and 1"),
        ((0.1, 0.2), (0.5, 1.0), "not between 0 and 1"),
    ],
)
def test_stairs_that_are_none_are_refused(
    cosines: tuple[float, ...], probabilities: tuple[float, ...], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        IsotonicCurve(cosines=cosines, probabilities=probabilities)
