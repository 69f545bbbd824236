"""Thresholds: four pairs by hand, and properties of any."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import precision_recall_fscore_support

from twinlens.metrics.thresholds import Thresholds

FOUR = Thresholds([0.9, 0.6, 0.6, 0.2], [1, 1, 0, 0])


def test_a_pair_at_the_threshold_is_said_to_match() -> None:
    found = FOUR.at(0.6)
    assert (found.precision, found.recall, found.said) == (pytest.approx(2 / 3), 1, 0.75)
    assert found.f1 == pytest.approx(0.8)


def test_where_nothing_is_said_to_match_there_is_no_precision() -> None:
    found = FOUR.at(0.95)
    assert (found.precision, found.recall, found.f1, found.said) == (None, 0, 0, 0)


def test_the_lowest_threshold_of_a_precision_is_chosen() -> None:
    assert FOUR.for_precision(0.5).threshold == 0.2
    assert FOUR.for_precision(0.6).threshold == 0.6
    assert FOUR.for_precision(1.0).threshold == 0.9


def test_the_highest_threshold_of_a_recall_is_chosen() -> None:
    assert FOUR.for_recall(0.5).threshold == 0.9
    assert FOUR.for_recall(1.0).threshold == 0.6


def test_a_precision_that_no_threshold_has_is_an_error_with_the_best() -> None:
    with pytest.raises(ValueError, match=r"precision of 0\.9; the best is 0\.5000"):
        Thresholds([0.5, 0.5], [1, 0]).for_precision(0.9)


@pytest.mark.parametrize("target", [0, 1.1, float("nan")])
def test_a_target_that_is_no_share_is_refused(target: float) -> None:
    for choose in (FOUR.for_precision, FOUR.for_recall):
        with pytest.raises(ValueError, match="not between 0 and 1"):
            choose(target)


@pytest.mark.parametrize(
    ("probabilities", "labels", "message"),
    [
        ([0.5], [1, 0], "the same"),
        ([float("nan")], [1], "not finite"),
        ([0.5], [0], "no pair matches"),
    ],
)
def test_what_has_no_meaning_is_refused(
    probabilities: list[float], labels: list[int], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        Thresholds(probabilities, labels)


def test_the_table_is_that_of_scikit_learn() -> None:
    random = np.random.default_rng(0)
    probabilities = random.random(500)
    labels = random.random(500) < probabilities
    for row in Thresholds(probabilities, labels).table():
        precision, recall, f1, _ = precision_recall_fscore_support(
            labels, probabilities >= row.threshold, average="binary", zero_division=0
        )
        assert (row.precision or 0) == pytest.approx(precision)
        assert (row.recall, row.f1) == (pytest.approx(recall), pytest.approx(f1))


@given(
    st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=30).filter(
        lambda pairs: any(label for _, label in pairs)
    ),
    st.floats(0.01, 1),
)
def test_a_chosen_threshold_keeps_its_promise_and_is_the_best(
    pairs: list[tuple[float, bool]], target: float
) -> None:
    probabilities, labels = (list(column) for column in zip(*pairs, strict=True))
    thresholds = Thresholds(probabilities, labels)
    by_recall = thresholds.for_recall(target)
    assert by_recall.recall >= target
    assert all(thresholds.at(p).recall < target for p in probabilities if p > by_recall.threshold)
    best = max(thresholds.at(p).precision or 0 for p in probabilities)
    if best >= target:
        by_precision = thresholds.for_precision(target)
        assert (by_precision.precision or 0) >= target
        assert all(
            (thresholds.at(p).precision or 0) < target
            for p in probabilities
            if p < by_precision.threshold
        )
