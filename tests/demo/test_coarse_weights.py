"""Weights on few levels, against the plain rounding and the definition of the error."""

import numpy as np

from twinlens_demo.release.coarse_weights import LEVELS, carried

ROWS, COLUMNS, SAMPLES = 24, 48, 400


def test_rows_are_on_their_levels_and_the_outputs_nearer_than_by_plain_rounding() -> None:
    rng = np.random.default_rng(5)
    weight = rng.normal(size=(ROWS, COLUMNS))
    mixed = rng.normal(size=(SAMPLES, 6)) @ rng.normal(size=(6, COLUMNS))
    inputs = mixed + 0.3 * rng.normal(size=(SAMPLES, COLUMNS))
    found = carried(weight, inputs.T @ inputs)
    steps = np.abs(weight).max(axis=1, keepdims=True) / LEVELS
    codes = found / steps
    np.testing.assert_allclose(codes, np.rint(codes), atol=1e-9)
    assert np.abs(codes).max() <= LEVELS + 1e-9
    plain = np.rint(weight / steps) * steps

    def loss(rounded: np.ndarray) -> float:
        return float(((inputs @ (rounded - weight).T) ** 2).mean())

    assert loss(found) < 0.5 * loss(plain)


def test_without_any_correlation_it_is_the_plain_rounding() -> None:
    weight = np.random.default_rng(6).normal(size=(ROWS, COLUMNS))
    steps = np.abs(weight).max(axis=1, keepdims=True) / LEVELS
    plain = np.rint(weight / steps) * steps
    np.testing.assert_allclose(carried(weight, np.eye(COLUMNS)), plain, atol=1e-12)


def test_rounded_once_more_nothing_changes() -> None:
    weight = np.random.default_rng(7).normal(size=(ROWS, COLUMNS))
    once = carried(weight, np.eye(COLUMNS))
    np.testing.assert_allclose(carried(once, np.eye(COLUMNS)), once, atol=1e-12)


def test_a_row_of_zeros_stays_one() -> None:
    assert not carried(np.zeros((2, 5)), np.zeros((5, 5)) + np.eye(5)).any()
