"""Fits on labelled pairs, against scikit-learn on the same targets and weights."""

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from twinlens.bundle.curves import beta_features
from twinlens.bundle.log_odds import sigmoid
from twinlens.calibration.fit_labelled import (
    LABEL_FITS,
    MIN_FOR_ISOTONIC,
    CalibrationMethod,
    fit_beta,
    fit_line,
    fit_stairs,
)
from twinlens.metrics.reliability import ece

F64 = NDArray[np.float64]
Bools = NDArray[np.bool_]

AGREES = 1e-6
"""Relative tolerance against scikit-learn."""


def draw(seed: int, n: int, *, share: float = 0.3) -> tuple[F64, Bools]:
    """Cosines of known labels: normal for both classes, of one spread."""
    rng = np.random.default_rng(seed)
    labels = rng.random(n) < share
    return np.where(labels, rng.normal(0.3, 0.04, n), rng.normal(0.2, 0.04, n)), labels


def targets_of(labels: Bools) -> F64:
    n_matching, n_others = labels.sum(), (~labels).sum()
    return np.where(labels, (n_matching + 1) / (n_matching + 2), 1 / (n_others + 2))


def shift_to(prior: float | None, labels: Bools) -> float:
    """Log-odds of a prior less those of the labels' own share."""
    share = labels.mean()
    return (
        0.0 if prior is None else float(np.log(prior / (1 - prior)) - np.log(share / (1 - share)))
    )


def reference(features: F64, labels: Bools, prior: float | None) -> F64:
    """Logits by scikit-learn; each pair counts for both classes, for one of them a little."""
    targets = targets_of(labels)
    scaled = (features - features.mean(axis=0)) / features.std(axis=0)
    model = LogisticRegression(C=np.inf, solver="newton-cholesky", tol=1e-13, max_iter=1000)
    model.fit(
        np.tile(scaled, (2, 1)),
        np.repeat([1, 0], len(labels)),
        sample_weight=np.concatenate([targets, 1 - targets]),
    )
    return np.asarray(model.decision_function(scaled)) + shift_to(prior, labels)


@pytest.mark.parametrize("prior", [None, 0.5, 0.01])
@pytest.mark.parametrize("n", [100, 2000])
def test_a_line_is_scikit_learns_logistic_regression(n: int, prior: float | None) -> None:
    cosines, labels = draw(0, n)
    found = fit_line(cosines, labels, prior=prior).logits(cosines)
    wanted = reference(cosines[:, None], labels, prior)
    np.testing.assert_allclose(found, wanted, rtol=AGREES, atol=AGREES)


@pytest.mark.parametrize("prior", [None, 0.1])
def test_beta_is_scikit_learns_logistic_regression_of_two_features(prior: float | None) -> None:
    rng = np.random.default_rng(0)
    cosines = rng.uniform(-0.9, 0.9, 20_000)
    shares = (1 + cosines) / 2
    labels = rng.random(20_000) < sigmoid(3 * np.log(shares) - np.log(1 - shares))
    found = fit_beta(cosines, labels, prior=prior)
    features = np.stack(beta_features(cosines), axis=1)
    wanted = reference(features, labels, prior)
    np.testing.assert_allclose(found.logits(cosines), wanted, rtol=AGREES, atol=AGREES)
    if prior is None:
        assert found.rising == pytest.approx(3, rel=0.2)
        assert found.falling == pytest.approx(1, rel=0.2)


def test_beta_leaves_out_the_feature_that_would_make_it_fall() -> None:
    rng = np.random.default_rng(0)
    cosines = rng.uniform(-0.9, 0.9, 4000)
    shares = (1 + cosines) / 2
    labels = rng.random(4000) < sigmoid(2 * np.log(shares) + 0.5 * np.log(1 - shares) + 2)
    found = fit_beta(cosines, labels)
    assert (found.falling, found.rising > 0) == (0, True)
    wanted = reference(beta_features(cosines)[0][:, None], labels, None)
    np.testing.assert_allclose(found.logits(cosines), wanted, rtol=AGREES, atol=AGREES)


def test_beta_holds_in_the_narrow_band_of_a_models_cosines() -> None:
    cosines, labels = draw(0, 4000)
    found = fit_beta(cosines, labels).logits(cosines)
    assert ece(sigmoid(found), labels) < 0.03


@pytest.mark.parametrize("prior", [None, 0.1])
@pytest.mark.parametrize("digits", [9, 2])
def test_stairs_are_scikit_learns_isotonic_regression(prior: float | None, digits: int) -> None:
    """Cosines rounded to two digits, so that many pairs share one."""
    cosines, labels = draw(0, 3000)
    cosines = cosines.round(digits)
    peer = IsotonicRegression(out_of_bounds="clip").fit(cosines, targets_of(labels))
    # Knots alone: between two of them, moved odds are not a straight line.
    asked = np.unique(cosines)
    found = fit_stairs(cosines, labels, prior=prior).logits(asked)
    wanted = peer.predict(asked)
    moved = np.log(wanted / (1 - wanted)) + shift_to(prior, labels)
    np.testing.assert_allclose(sigmoid(found), sigmoid(moved), atol=AGREES)


def test_stairs_want_a_thousand_pairs() -> None:
    cosines, labels = draw(0, MIN_FOR_ISOTONIC - 1)
    with pytest.raises(ValueError, match=r"needs 1000 or more pairs, got 999; .*'platt'"):
        fit_stairs(cosines, labels)


@pytest.mark.parametrize(("n", "error"), [(50, 0.06), (200, 0.03), (1000, 0.015)])
def test_a_line_of_few_pairs_is_well_calibrated_on_new_ones(n: int, error: float) -> None:
    cosines, labels = draw(99, 40_000)
    errors = [ece(sigmoid(fit_line(*draw(s, n)).logits(cosines)), labels) for s in range(8)]
    assert np.mean(errors) < error


def test_a_prior_moves_the_line_by_its_log_odds() -> None:
    cosines, labels = draw(0, 20_000)
    even, rare = (fit_line(cosines, labels, prior=prior) for prior in (0.5, 0.01))
    moved = even.logits(np.array([0.25])) - rare.logits(np.array([0.25]))
    assert moved[0] == pytest.approx(np.log(99), abs=AGREES)


@pytest.mark.parametrize("prior", [0.1, 1e-3, 1e-5, 1e-9, 1 - 1e-9])
@pytest.mark.parametrize("method", ["platt", "beta", "isotonic"])
def test_a_prior_of_the_fit_is_the_prior_of_the_answer(
    method: CalibrationMethod, prior: float
) -> None:
    """However rare: the targets of 600 negatives weigh no more than all matches do."""
    cosines, labels = draw(0, 2000)
    fit = LABEL_FITS[method]
    plain = fit(cosines, labels)
    asked = np.array(getattr(plain, "cosines", np.sort(cosines)))  # isotonic: its knots
    own = plain.logits(asked) + shift_to(prior, labels)
    np.testing.assert_allclose(fit(cosines, labels, prior=prior).logits(asked), own, rtol=1e-5)


@pytest.mark.parametrize("method", ["platt", "beta", "isotonic"])
def test_pairs_that_a_threshold_separates_have_finite_odds(method: str) -> None:
    labels = np.arange(1000) >= 600
    cosines = np.where(labels, 0.4, 0.1)
    found = sigmoid(LABEL_FITS[method](cosines, labels).logits(np.array([0.1, 0.4])))  # type: ignore[index]
    np.testing.assert_allclose(found, [1 / 602, 401 / 402], rtol=1e-4)


@pytest.mark.parametrize("method", LABEL_FITS)
@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.ones(2000, dtype=bool), "got 2000 and 0; give more, or leave the labels out"),
        (np.arange(2000) < 9, "got 9 and 1991; give more"),
        (np.arange(2000) < 1000, "no closer than others; does 1 mean a match"),
    ],
)
def test_pairs_that_teach_nothing_are_refused(method: str, labels: Bools, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LABEL_FITS[method](np.linspace(0, 1, 2000), labels)  # type: ignore[index]


@pytest.mark.parametrize("prior", [0, 1, -1, np.nan])
def test_a_prior_that_is_no_share_is_refused(prior: float) -> None:
    with pytest.raises(ValueError, match="not between 0 and 1"):
        fit_line(*draw(0, 100), prior=prior)


def test_cosines_that_fit_no_labels_are_refused() -> None:
    with pytest.raises(ValueError, match=r"cosines have shape \[3\], labels \[2\]"):
        fit_line(np.zeros(3), np.zeros(2, dtype=bool))
    with pytest.raises(ValueError, match="a cosine is not finite"):
        fit_line(np.full(40, np.nan), np.arange(40) < 20)
