"""Figures of reliability agree with scikit-learn and the textbooks."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss, roc_auc_score
from sklearn.metrics import log_loss as sklearn_log_loss

from twinlens.metrics.bootstrap import Resamples
from twinlens.metrics.reliability import (
    ScoredPairs,
    auc,
    brier,
    ece,
    log_loss,
    measure_reliability,
)

F32 = NDArray[np.float32]
Bools = NDArray[np.bool_]

EXACT = 1e-12
PROMISED = 1e-6


@pytest.fixture(params=["spread", "tied"])
def sample(request: pytest.FixtureRequest) -> tuple[F32, Bools]:
    """2000 probabilities, all different or of only 21 values, and a label of each."""
    random = np.random.default_rng(3)
    probabilities = random.beta(0.6, 0.9, 2000)
    if request.param == "tied":
        probabilities = np.round(probabilities * 20) / 20
    return probabilities.astype(np.float32), random.random(2000) < probabilities**1.4


def scored(cosines: F32, labels: Bools, *, each: int = 1) -> ScoredPairs:
    return ScoredPairs(
        cosines=cosines,
        probabilities=cosines,
        labels=labels,
        images=np.arange(len(cosines)) // each,
    )


def test_brier_log_loss_and_auc_are_those_of_scikit_learn(sample: tuple[F32, Bools]) -> None:
    probabilities, labels = sample
    wanted = brier_score_loss(labels, probabilities)
    assert brier(probabilities, labels) == pytest.approx(wanted, abs=PROMISED)
    wanted = sklearn_log_loss(labels, probabilities)
    assert log_loss(probabilities, labels) == pytest.approx(wanted, abs=PROMISED)
    wanted = roc_auc_score(labels, probabilities)
    assert auc(probabilities, labels) == pytest.approx(wanted, abs=PROMISED)


def test_the_diagram_is_the_quantile_curve_of_scikit_learn(sample: tuple[F32, Bools]) -> None:
    probabilities, labels = sample[0].astype(np.float64), sample[1]
    shares, means = calibration_curve(labels, probabilities, n_bins=15, strategy="quantile")
    pairs = scored(probabilities, labels)  # type: ignore[arg-type]
    drawn = measure_reliability(pairs, resamples=2).calibrated.diagram
    np.testing.assert_allclose(drawn.probabilities, means, atol=PROMISED)
    got_shares = [share.value for share in drawn.shares]
    np.testing.assert_allclose(got_shares, shares, atol=PROMISED)


def test_the_calibration_error_weighs_the_gaps_of_the_diagram(sample: tuple[F32, Bools]) -> None:
    whole = measure_reliability(scored(*sample), resamples=2)
    drawn = whole.calibrated.diagram
    gaps = [abs(p - s.value) for p, s in zip(drawn.probabilities, drawn.shares, strict=True)]
    assert whole.calibrated.ece.value == pytest.approx(
        np.average(gaps, weights=drawn.counts), abs=EXACT
    )
    assert sum(drawn.counts) == 2000


def test_two_bins_by_hand() -> None:
    # Below the median .1 and .3: mean .2, half match; above .6 and .8: mean .7, both match.
    assert ece([0.1, 0.8, 0.3, 0.6], [0, 1, 1, 1], bins=2) == pytest.approx((0.3 + 0.3) / 2)


def test_equal_probabilities_are_never_parted() -> None:
    random = np.random.default_rng(0)
    labels = random.random(900) < 0.4
    labels[:360], labels[360:] = True, False
    assert ece(np.full(900, 0.4), labels) == pytest.approx(0, abs=EXACT)


def test_a_tie_counts_half_in_the_auc() -> None:
    assert auc([0.5, 0.5], [0, 1]) == 0.5
    assert auc([0.2, 0.5, 0.5, 0.9], [0, 0, 1, 1]) == 0.875


def test_a_wrong_certainty_costs_much_but_not_everything() -> None:
    assert 30 < log_loss([1.0], [0]) < 40
    assert log_loss(np.array([1], np.float32), [0]) == pytest.approx(15.94, abs=0.01)


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=40))
def test_figures_stay_in_their_range(pairs: list[tuple[float, bool]]) -> None:
    probabilities, labels = (list(column) for column in zip(*pairs, strict=True))
    assert 0 <= ece(probabilities, labels) <= 1
    assert 0 <= brier(probabilities, labels) <= 1
    assert log_loss(probabilities, labels) >= 0
    if 0 < sum(labels) < len(labels):
        flipped = auc([1 - p for p in probabilities], [not label for label in labels])
        if len({1 - p for p in probabilities}) == len(set(probabilities)):
            assert auc(probabilities, labels) == pytest.approx(flipped, abs=EXACT)


@pytest.mark.parametrize(
    ("scores", "labels", "message"),
    [
        ([0.5], [0, 1], r"shape \[1\], labels \[2\]"),
        ([], [], r"M > 0"),
        ([float("nan")], [1], "not finite"),
        ([0.5], [2], "neither 0 nor 1"),
    ],
)
def test_what_has_no_meaning_is_refused(
    scores: list[float], labels: list[int], message: str
) -> None:
    for figure in (ece, brier, log_loss, auc):
        with pytest.raises(ValueError, match=message):
            figure(scores, labels)


def test_an_auc_of_one_class_is_refused() -> None:
    with pytest.raises(ValueError, match="pairs that match and pairs that do not"):
        auc([0.1, 0.2], [1, 1])


def test_the_base_rate_is_calibrated_and_useless(sample: tuple[F32, Bools]) -> None:
    constant = measure_reliability(scored(*sample), resamples=10).constant
    assert constant.ece.value == pytest.approx(0, abs=EXACT)
    assert constant.auc.value == 0.5


def test_half_of_one_plus_the_cosine_is_measured_beside() -> None:
    random = np.random.default_rng(1)
    labels = random.random(400) < 0.5
    cosines = (0.2 + 0.1 * labels).astype(np.float32)
    figures = measure_reliability(scored(cosines, labels), resamples=10)
    assert figures.half_cosine.auc.value == figures.cosine_auc.value == 1
    wanted = abs(0.65 - 1) * labels.mean() + 0.6 * (1 - labels.mean())
    assert figures.half_cosine.ece.value == pytest.approx(wanted, abs=1e-6)
    assert sum(figures.cosines.matching) == labels.sum()
    assert sum(figures.probabilities.others) == (~labels).sum()


def test_an_interval_holds_the_truth_nearly_always() -> None:
    held = 0
    for seed in range(60):
        random = np.random.default_rng(seed)
        values = (random.random(300) < 0.3).astype(np.float64)
        figure = Resamples(np.arange(300), resamples=200).mean(values)
        held += figure.low <= 0.3 <= figure.high
    assert held >= 52


def test_pairs_of_one_image_are_drawn_together() -> None:
    random = np.random.default_rng(5)
    cosines = np.repeat(random.random(100), 20).astype(np.float32)
    labels = np.repeat(random.random(100) < cosines[::20], 20)
    together = measure_reliability(scored(cosines, labels, each=20), resamples=200)
    apart = measure_reliability(scored(cosines, labels), resamples=200)
    assert together.images == 100
    assert apart.images == 2000
    widths = [f.calibrated.brier.high - f.calibrated.brier.low for f in (together, apart)]
    assert widths[0] > 3 * widths[1]


def test_the_same_seed_draws_the_same_images(sample: tuple[F32, Bools]) -> None:
    first, again = (measure_reliability(scored(*sample), resamples=20, seed=4) for _ in range(2))
    other = measure_reliability(scored(*sample), resamples=20, seed=5)
    assert first == again
    assert first.calibrated.brier != other.calibrated.brier


def test_columns_of_other_lengths_are_no_pairs() -> None:
    with pytest.raises(ValueError, match=r"labels has shape \[1\], cosines \[2\]"):
        ScoredPairs(
            cosines=np.zeros(2, np.float32),
            probabilities=np.zeros(2, np.float32),
            labels=np.ones(1, bool),
            images=np.arange(2),
        )


@pytest.mark.parametrize(("n", "low"), [(1, 0.2065), (3, 0.4385), (10, 0.7225), (100, 0.9630)])
def test_all_right_is_not_certainty(n: int, low: float) -> None:
    """Lower ends by statsmodels' proportion_confint(n, n, method="wilson")."""
    right = Resamples(np.arange(n)).mean(np.ones(n), most=1)
    assert (right.value, right.high) == (1, 1)
    assert right.low == pytest.approx(low, abs=1e-4)
    wrong = Resamples(np.arange(n)).mean(np.zeros(n), most=1)
    assert (wrong.value, wrong.low) == (0, 0)
    assert wrong.high == pytest.approx(1 - low, abs=1e-4)
