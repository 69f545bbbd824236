from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from twinlens.calibration import fit_matched
from twinlens.calibration.fit_matched import MIN_PAIRS

F64 = NDArray[np.float64]

AGREES = 1e-3
"""Relative tolerance against scikit-learn: the negatives are in bins here."""
WELL_CALIBRATED = 0.02
"""Largest expected calibration error on unseen pairs."""
RECOVERED = 0.01
"""Largest mean of it over seeds if a line is the truth: 400 matches alone move it by 0.004."""


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Cosines of known labels: normal, for matches and for others."""

    matching: float
    others: float
    spread: float
    spread_of_others: float | None = None

    def match(self, rng: np.random.Generator, size: int | tuple[int, ...]) -> F64:
        return rng.normal(self.matching, self.spread, size)

    def other(self, rng: np.random.Generator, size: int | tuple[int, ...]) -> F64:
        return rng.normal(self.others, self.spread_of_others or self.spread, size)

    def pairs(self, rng: np.random.Generator, n: int, *, hidden: float = 0) -> F64:
        """Cosines [N, N] of matched pairs; a share of the others are matches too."""
        matrix = self.other(rng, (n, n))
        unknown = rng.random((n, n)) < hidden
        matrix[unknown] = self.match(rng, int(unknown.sum()))
        np.fill_diagonal(matrix, self.match(rng, n))
        return matrix


CLEAR = World(matching=0.32, others=0.2, spread=0.03)
CLOSE = World(matching=0.25, others=0.2, spread=0.04)
FAR = World(matching=0.4, others=0.1, spread=0.03)
WIDE_MATCHES = World(matching=0.3, others=0.18, spread=0.05, spread_of_others=0.03)


def fit_pairs(cosines: F64, *, prior: float = 0.5) -> tuple[float, float]:
    line = fit_matched.fit_pairs(cosines, prior=prior)
    return line.scale, line.bias


def sigmoid(logits: F64) -> F64:
    return np.exp(-np.logaddexp(0, -logits))


def calibration_error(probabilities: F64, truths: F64) -> float:
    """Mean distance of 15 equal-mass bins' mean probability from their share of matches."""
    order = np.argsort(probabilities, kind="stable")
    bins = np.array_split(order, 15)
    gaps = [abs(probabilities[b].mean() - truths[b].mean()) * len(b) for b in bins]
    return float(sum(gaps) / len(order))


def error_of_fit(world: World, *, n: int, hidden: float, seed: int) -> float:
    rng = np.random.default_rng(seed)
    scale, bias = fit_pairs(world.pairs(rng, n, hidden=hidden).astype(np.float32))
    cosines = np.concatenate([world.match(rng, 20_000), world.other(rng, 20_000)])
    truths = np.repeat([1.0, 0.0], 20_000)
    return calibration_error(sigmoid(scale * cosines + bias), truths)


@pytest.mark.parametrize("prior", [0.5, 0.01])
@pytest.mark.parametrize("world", [CLEAR, CLOSE, FAR])
def test_without_hidden_matches_the_fit_is_a_weighted_logistic_regression(
    world: World, prior: float
) -> None:
    n = 100
    # A margin around the truth leaves no negative that could be a hidden match.
    matrix = np.minimum(world.pairs(np.random.default_rng(0), n), world.others)
    np.fill_diagonal(matrix, world.match(np.random.default_rng(1), n))
    diagonal = np.eye(n, dtype=bool)
    values = np.concatenate([matrix[diagonal], matrix[~diagonal]])
    # Platt's targets: each pair counts for both classes, for one of them a little.
    up, down = (n + 1) / (n + 2), 1 / (n * (n - 1) + 2)
    shares = np.concatenate([np.full(n, 0.5 / n), np.full(n * (n - 1), 0.5 / (n * (n - 1)))])
    targets = np.concatenate([np.full(n, up), np.full(n * (n - 1), down)])
    spread = values.std()
    model = LogisticRegression(C=np.inf, solver="newton-cholesky", tol=1e-8).fit(
        np.tile(values[:, None], (2, 1)) / spread,
        np.repeat([1, 0], values.size),
        sample_weight=np.concatenate([shares * targets, shares * (1 - targets)]) * values.size,
    )
    scale, bias = fit_pairs(matrix, prior=prior)
    assert scale == pytest.approx(model.coef_[0, 0] / spread, rel=AGREES)
    wanted = model.intercept_[0] + np.log(prior / (1 - prior))
    assert bias == pytest.approx(wanted, rel=AGREES)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("world", [CLEAR, CLOSE, FAR, WIDE_MATCHES])
def test_probabilities_of_unseen_pairs_are_what_they_say(world: World, seed: int) -> None:
    assert error_of_fit(world, n=500, hidden=0, seed=seed) < WELL_CALIBRATED


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("hidden", [0.003, 0.01])
@pytest.mark.parametrize("world", [CLEAR, CLOSE, FAR, WIDE_MATCHES])
def test_matches_that_nobody_wrote_down_do_not_wreck_the_fit(
    world: World, hidden: float, seed: int
) -> None:
    assert error_of_fit(world, n=500, hidden=hidden, seed=seed) < WELL_CALIBRATED


def test_hidden_matches_are_told_from_hard_negatives() -> None:
    """Three in a hundred negatives are matches; fitted as negatives, they would cost far more."""
    assert error_of_fit(CLEAR, n=500, hidden=0.03, seed=0) < WELL_CALIBRATED


@pytest.mark.parametrize("world", [CLEAR, FAR])
def test_known_parameters_are_recovered_from_400_pairs_with_hidden_matches(world: World) -> None:
    errors = [error_of_fit(world, n=400, hidden=0.02, seed=seed) for seed in range(5)]
    assert np.mean(errors) < RECOVERED


def test_chosen_negatives_alone_are_what_matches_are_told_from() -> None:
    """Every third other is a hard one, nearer by half the way."""
    rng = np.random.default_rng(0)
    n = 400
    matrix = CLEAR.pairs(rng, n)
    hard = rng.random((n, n)) < 1 / 3
    hard[np.eye(n, dtype=bool)] = False
    matrix[hard] = rng.normal(0.26, 0.03, int(hard.sum()))
    line = fit_matched.fit_pairs(matrix, negatives=hard)
    cosines = np.concatenate([CLEAR.match(rng, 20_000), rng.normal(0.26, 0.03, 20_000)])
    truths = np.repeat([1.0, 0.0], 20_000)
    easy = fit_matched.fit_pairs(matrix)
    assert calibration_error(sigmoid(line.logits(cosines)), truths) < WELL_CALIBRATED
    assert calibration_error(sigmoid(easy.logits(cosines)), truths) > 2 * WELL_CALIBRATED


def test_negatives_that_all_look_like_matches_are_refused() -> None:
    matrix = CLEAR.pairs(np.random.default_rng(0), 100)
    nearest = matrix > 0.28
    matrix[nearest] = 0.5
    np.fill_diagonal(matrix, 0.3)
    with pytest.raises(ValueError, match=r"all but 0\.0 look like matches; .* on random ones"):
        fit_matched.fit_pairs(matrix, negatives=nearest)


def test_negatives_that_matches_are_no_closer_than_are_refused() -> None:
    matrix = CLOSE.pairs(np.random.default_rng(0), 100)
    with pytest.raises(ValueError, match=r"no closer than these negatives; .* on random ones"):
        fit_matched.fit_pairs(matrix, negatives=matrix > np.quantile(matrix, 0.9))


def test_the_true_line_is_found() -> None:
    """Two normals of one spread: scale (m1 - m0) / s^2, and even odds half-way."""
    scale, bias = fit_pairs(CLEAR.pairs(np.random.default_rng(0), 1500))
    assert scale == pytest.approx(0.12 / 0.03**2, rel=0.1)
    assert -bias / scale == pytest.approx(0.26, abs=0.005)


def test_the_prior_is_that_of_the_answer() -> None:
    matrix = CLEAR.pairs(np.random.default_rng(0), 1000)
    even, rare = fit_pairs(matrix), fit_pairs(matrix, prior=0.01)
    middle = (even[0] * 0.26 + even[1]) - (rare[0] * 0.26 + rare[1])
    assert middle == pytest.approx(np.log(99), rel=AGREES)


@pytest.mark.parametrize("n", [MIN_PAIRS, 500])
@pytest.mark.parametrize(
    ("match", "other"), [(0.9, 0.1), (0.5, 0.499), (1e-3, -1e-3), (1e-7, -1e-7)]
)
def test_pairs_that_a_threshold_separates_give_platts_probabilities(
    n: int, match: float, other: float
) -> None:
    matrix = np.full((n, n), other)
    np.fill_diagonal(matrix, match)
    scale, bias = fit_pairs(matrix)
    assert np.isfinite([scale, bias]).all()
    found = sigmoid(scale * np.array([match, other]) + bias)
    assert found[0] == pytest.approx((n + 1) / (n + 2), rel=1e-4)
    assert found[1] == pytest.approx(1 / (n * (n - 1) + 2), rel=1e-2)


@pytest.mark.parametrize("prior", [0.1, 1e-3, 1e-5, 1e-9])
def test_a_rare_match_has_the_odds_of_the_densities(prior: float) -> None:
    """Bayes' rule with the two normals of the world, far below one match in N^2 pairs."""
    scale, bias = fit_pairs(CLEAR.pairs(np.random.default_rng(0), 1000), prior=prior)
    cosines = np.array([0.26, 0.3, 0.34])
    density_ratio = (cosines - (CLEAR.matching + CLEAR.others) / 2) * 0.12 / CLEAR.spread**2
    wanted = density_ratio + np.log(prior / (1 - prior))
    np.testing.assert_allclose(scale * cosines + bias, wanted, atol=1.0)


def test_pairs_without_any_signal_get_the_prior() -> None:
    matrix = np.random.default_rng(0).normal(0, 0.1, (300, 300))
    np.fill_diagonal(matrix, np.diag(matrix) + 0.005)
    scale, bias = fit_pairs(matrix)
    assert scale > 0
    assert sigmoid(scale * matrix + bias).mean() == pytest.approx(0.5, abs=0.1)


def test_the_fit_knows_no_unit() -> None:
    """Pairs with scaled and shifted cosines get the same probabilities."""
    matrix = CLEAR.pairs(np.random.default_rng(0), 100)
    scale, bias = fit_pairs(matrix)
    stretched = fit_pairs(matrix * 1e-3 + 0.5)
    np.testing.assert_allclose(
        scale * matrix + bias, stretched[0] * (matrix * 1e-3 + 0.5) + stretched[1], atol=1e-3
    )


def test_the_order_of_the_pairs_changes_nothing() -> None:
    matrix = CLEAR.pairs(np.random.default_rng(0), 100)
    order = np.random.default_rng(1).permutation(100)
    assert fit_pairs(matrix[order][:, order]) == pytest.approx(fit_pairs(matrix), rel=1e-6)


def test_single_precision_is_enough() -> None:
    matrix = CLEAR.pairs(np.random.default_rng(0), 100).astype(np.float32)
    assert fit_pairs(matrix) == pytest.approx(fit_pairs(matrix.astype(np.float64)), rel=1e-6)


def test_plain_numbers_come_back() -> None:
    assert [type(v) for v in fit_pairs(CLEAR.pairs(np.random.default_rng(0), 20))] == [float] * 2


@pytest.mark.parametrize("shape", [(20,), (20, 30), (20, 20, 1)])
def test_cosines_that_are_no_square_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"cosines have shape \[.*\], wanted \[N, N\]"):
        fit_pairs(np.zeros(shape, dtype=np.float32))


def test_too_few_pairs_are_refused() -> None:
    with pytest.raises(ValueError, match="needs 10 or more pairs, got 9; give more"):
        fit_pairs(np.eye(9, dtype=np.float32))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_cosine_that_is_not_finite_is_refused(value: float) -> None:
    matrix = np.eye(20)
    matrix[3, 4] = value
    with pytest.raises(ValueError, match="a cosine is not finite; leave out the rows"):
        fit_pairs(matrix)


@pytest.mark.parametrize("matrix", [np.ones((20, 20)), np.zeros((20, 20)), 1 - np.eye(20)])
def test_pairs_that_are_no_closer_than_others_are_refused(matrix: F64) -> None:
    with pytest.raises(ValueError, match="no closer than others; are the columns in one order"):
        fit_pairs(matrix)


@pytest.mark.parametrize("prior", [0.0, 1.0, -1.0, float("nan")])
def test_a_prior_that_is_no_share_is_refused(prior: float) -> None:
    with pytest.raises(ValueError, match=f"prior is {prior}, not between 0 and 1"):
        fit_pairs(np.eye(20), prior=prior)
