"""Thresholds: four pairs by hand, and any pairs by counting."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import precision_recall_fscore_support

from twinlens.metrics.thresholds import SHOWN, Thresholds

FOUR = Thresholds([0.9, 0.6, 0.6, 0.2], [1, 1, 0, 0])


def test_a_pair_at_the_threshold_is_said_to_match() -> None:
    found = FOUR.at(0.6)
    assert (found.precision, found.recall, found.said) == (pytest.approx(2 / 3), 1, 0.75)
    assert found.f1 == pytest.approx(0.8)


def test_where_nothing_is_said_to_match_there_is_no_precision() -> None:
    found = FOUR.at(0.95)
    assert (found.precision, found.recall, found.f1, found.said) == (None, 0, 0, 0)


@pytest.mark.parametrize(
    ("threshold", "precision", "recall", "said"),
    [(0.9, 1, 0.5, 0.25), (0.6, 2 / 3, 1, 0.75), (0.2, 0.5, 1, 1)],
)
def test_each_probability_is_a_threshold(
    threshold: float, precision: float, recall: float, said: float
) -> None:
    found = FOUR.at(threshold)
    assert found.precision == pytest.approx(precision)
    assert (found.threshold, found.recall, found.said) == (threshold, recall, said)


def test_a_threshold_between_two_probabilities_is_the_higher_of_them() -> None:
    between, at = FOUR.at(0.7), FOUR.at(0.9)
    assert (between.precision, between.recall, between.said) == (at.precision, at.recall, at.said)


def test_from_zero_on_all_are_said_to_match_with_the_base_rate_as_precision() -> None:
    found = FOUR.at(0)
    assert (found.precision, found.recall, found.said) == (0.5, 1, 1)


def test_the_table_has_round_thresholds_in_order_and_a_falling_recall() -> None:
    table = FOUR.table()
    assert [row.threshold for row in table] == list(SHOWN)
    assert [row.recall for row in table] == sorted((row.recall for row in table), reverse=True)
    assert table == tuple(FOUR.at(threshold) for threshold in SHOWN)


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
    st.floats(0, 1),
)
def test_the_figures_of_any_threshold_are_those_of_counting(
    pairs: list[tuple[float, bool]], threshold: float
) -> None:
    probabilities, labels = (list(column) for column in zip(*pairs, strict=True))
    found = Thresholds(probabilities, labels).at(threshold)
    said = [label for probability, label in pairs if probability >= threshold]
    assert found.precision == (sum(said) / len(said) if said else None)
    assert found.recall == sum(said) / sum(labels)
    assert found.f1 == 2 * sum(said) / (len(said) + sum(labels))
    assert found.said == len(said) / len(pairs)
