"""ONNX model of match probabilities: the sigmoid of a line of cosines, for any numbers."""

import math

import numpy as np
import onnxruntime
import pytest

from twinlens.bundle.calibration import Calibration
from twinlens.bundle.curves import BetaCurve, CalibrationCurve, PlattCurve
from twinlens.errors import CalibrationError
from twinlens.model.match_matrix import MatchMatrix
from twinlens.ort.device import CPU

FLOAT32_LOGIT = 1e-5
"""Error of a logit from float32 cosines scaled by 100: some 1e-7 each."""


def calibration(curve: CalibrationCurve) -> Calibration:
    return Calibration(
        curve=curve,
        prior=0.5,
        level="fitted-pairs",
        fitted_on="nothing",
        matching=10,
        others=90,
        negatives="random",
        towers="",
    )


STEEP = calibration(PlattCurve(scale=100, bias=-25))
BENT = calibration(BetaCurve(rising=30, falling=2, bias=5))


@pytest.fixture(scope="module")
def pairing() -> MatchMatrix:
    return MatchMatrix(device=CPU, threads=1)


def unit(rng: np.random.Generator, n: int) -> np.ndarray:
    rows = rng.normal(size=(n, 32)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.mark.parametrize("fitted", [STEEP, BENT])
@pytest.mark.parametrize("prior", [None, 0.01])
def test_every_pair_has_the_probability_of_its_cosine(
    pairing: MatchMatrix, fitted: Calibration, prior: float | None
) -> None:
    rng = np.random.default_rng(0)
    queries, rows = unit(rng, 7), unit(rng, 300)
    found = pairing.run(fitted, queries, rows, prior=prior)
    wanted = fitted.probability(queries @ rows.T, prior=prior)
    np.testing.assert_allclose(found, wanted, rtol=2 * FLOAT32_LOGIT)


def test_tails_keep_their_digits(pairing: MatchMatrix) -> None:
    line = np.array([[-0.5], [0.25], [1]], dtype=np.float32)
    found = pairing.run(STEEP, line, np.ones((1, 1), dtype=np.float32), prior=None)
    np.testing.assert_allclose(found[:, 0], [math.exp(-75), 0.5, 1], rtol=FLOAT32_LOGIT)


def test_nan_stays_nan_and_spares_the_others(pairing: MatchMatrix) -> None:
    queries, rows = np.eye(3, dtype=np.float32), np.eye(3, dtype=np.float32)
    queries[1] = rows[2] = np.nan
    found = pairing.run(STEEP, queries, rows, prior=None)
    assert np.isnan(found).tolist() == [[False, False, True], [True] * 3, [False, False, True]]


@pytest.mark.parametrize("shape", [(0, 4), (3, 0), (0, 0)])
def test_no_rows_give_no_probabilities(pairing: MatchMatrix, shape: tuple[int, int]) -> None:
    queries, rows = (np.zeros((n, 5), dtype=np.float32) for n in shape)
    assert pairing.run(STEEP, queries, rows, prior=None).shape == shape


@pytest.mark.skipif(
    not hasattr(onnxruntime.OrtValue, "__dlpack__"),
    reason="the extra gpu wants onnxruntime 1.26 or newer",
)
def test_the_matrix_may_stay_where_it_was_computed(pairing: MatchMatrix) -> None:
    rng = np.random.default_rng(0)
    queries, rows = unit(rng, 3), unit(rng, 5)
    kept = pairing.run_on_device(STEEP, queries, rows, prior=None)
    wanted = pairing.run(STEEP, queries, rows, prior=None)
    assert kept.shape == (3, 5)
    np.testing.assert_array_equal(kept.numpy(), wanted)
    np.testing.assert_array_equal(np.from_dlpack(kept), wanted)


def test_only_a_line_is_computed_on_the_device(pairing: MatchMatrix) -> None:
    with pytest.raises(CalibrationError, match="of kind beta is computed on the CPU"):
        pairing.run_on_device(BENT, np.eye(2), np.eye(2), prior=None)  # type: ignore[arg-type]
