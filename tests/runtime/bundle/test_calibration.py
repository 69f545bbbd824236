import math
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twinlens.bundle.calibration import Calibration, Threshold, check_share
from twinlens.bundle.curves import PlattCurve
from twinlens.errors import CalibrationError

CALIBRATION = Calibration(
    curve=PlattCurve(scale=100.0, bias=-25.0),
    prior=0.5,
    level="fitted-pairs",
    fitted_on="made up",
    matching=100,
    others=9900,
    negatives="random",
    towers="",
    thresholds=(
        Threshold(probability=0.1, precision=0.6, recall=0.99),
        Threshold(probability=0.5, precision=0.9, recall=0.8),
        Threshold(probability=0.9, precision=0.98, recall=0.3),
    ),
)
FLOAT32_EPSILON = 2.0**-23


def probability(cosine: float, prior: float | None = None) -> float:
    return float(CALIBRATION.probability(np.array([cosine], dtype=np.float32), prior=prior)[0])


@pytest.mark.parametrize("shape", [(), (0,), (7,), (2, 3), (2, 0, 3)])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_any_shape_comes_back_as_float32(shape: tuple[int, ...], dtype: type) -> None:
    found = CALIBRATION.probability(np.zeros(shape, dtype=dtype))
    assert (found.shape, found.dtype) == (shape, np.float32)


@pytest.mark.parametrize("cosine", [-1, -0.5, 0, 0.1, 0.2, 0.25, 0.26, 0.3, 0.5, 1])
def test_probability_is_the_sigmoid_of_the_line(cosine: float) -> None:
    wanted = 1 / (1 + math.exp(-(100 * float(np.float32(cosine)) - 25)))
    assert probability(cosine) == pytest.approx(wanted, rel=2 * FLOAT32_EPSILON)


def test_a_tiny_probability_keeps_its_digits() -> None:
    assert probability(-0.5) == pytest.approx(math.exp(-75), rel=1e-5)
    assert probability(-0.5) > probability(-0.51) > 0


@pytest.mark.parametrize("scale", [1e-3, 100.0, 1e30])
def test_no_cosine_overflows(scale: float) -> None:
    cosines = np.linspace(-1, 1, 1001, dtype=np.float32)
    found = replace(CALIBRATION, curve=PlattCurve(scale=scale, bias=0)).probability(
        cosines, prior=1e-9
    )
    assert ((found >= 0) & (found <= 1)).all()


def test_probability_never_falls_as_the_cosine_rises() -> None:
    found = CALIBRATION.probability(np.linspace(-1, 1, 200_001, dtype=np.float32))
    assert (np.diff(found) >= 0).all()


def test_nan_stays_nan_and_spares_the_others() -> None:
    found = CALIBRATION.probability(np.array([0.25, np.nan, 0.25], dtype=np.float32))
    assert np.isnan(found).tolist() == [False, True, False]
    assert found[0] == found[2] == 0.5


@given(
    fitted=st.floats(1e-6, 1 - 1e-6), wanted=st.floats(1e-6, 1 - 1e-6), cosine=st.floats(0.1, 0.4)
)
def test_a_moved_prior_multiplies_the_odds(fitted: float, wanted: float, cosine: float) -> None:
    calibration = replace(CALIBRATION, prior=fitted)
    cosines = np.array([cosine])
    before, after = calibration.probability(cosines), calibration.probability(cosines, prior=wanted)
    odds = Fraction(math.exp(100 * cosine - 25)) * Fraction(wanted) / (1 - Fraction(wanted))
    odds *= (1 - Fraction(fitted)) / Fraction(fitted)
    assert float(after[0]) == pytest.approx(float(odds / (1 + odds)), rel=1e-5)
    assert (after[0] >= before[0]) == (wanted >= fitted) or after[0] == pytest.approx(before[0])


def test_the_fitted_prior_moves_nothing() -> None:
    assert probability(0.27, prior=0.5) == probability(0.27)


@pytest.mark.parametrize("prior", [0, 1, -0.1, 1.5, math.nan])
def test_a_prior_that_is_no_share_is_refused(prior: float) -> None:
    with pytest.raises(ValueError, match=r"prior is .*, not between 0 and 1"):
        probability(0.2, prior=prior)
    with pytest.raises(ValueError, match=r"prior is .*, not between 0 and 1"):
        replace(CALIBRATION, prior=prior)


@pytest.mark.parametrize("share", ["0.5", None, True, np.array([0.5])])
def test_what_is_no_number_is_no_share(share: object) -> None:
    kind = type(share).__name__
    if share is not None:
        with pytest.raises(TypeError, match=f"prior is a {kind}, wanted a number from 0 to 1"):
            probability(0.2, prior=share)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=f"threshold is a {kind}, wanted a number from 0 to 1"):
        check_share("threshold", share)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("target", "threshold"), [(0.5, 0.1), (0.6, 0.1), (0.61, 0.5), (0.9, 0.5), (0.98, 0.9)]
)
def test_a_precision_takes_the_lowest_threshold_that_reached_it(
    target: float, threshold: float
) -> None:
    assert CALIBRATION.threshold(precision=target) == threshold


@pytest.mark.parametrize(("target", "threshold"), [(0.1, 0.9), (0.3, 0.9), (0.5, 0.5), (0.99, 0.1)])
def test_a_recall_takes_the_highest_threshold_that_reached_it(
    target: float, threshold: float
) -> None:
    assert CALIBRATION.threshold(recall=target) == threshold


def test_a_target_out_of_reach_names_the_most_there_was() -> None:
    with pytest.raises(
        CalibrationError, match=r"no threshold reached precision 0\.99 .* was 0\.98"
    ):
        CALIBRATION.threshold(precision=0.99)


@pytest.mark.parametrize("targets", [{}, {"precision": 0.9, "recall": 0.9}])
def test_one_target_is_wanted(targets: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="give one target"):
        CALIBRATION.threshold(**targets)


def test_without_a_table_no_threshold_is_guessed() -> None:
    with pytest.raises(CalibrationError, match=r"no table of thresholds; .*twinlens calibrate"):
        replace(CALIBRATION, thresholds=()).threshold(recall=0.9)
