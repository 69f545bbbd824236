"""The metrics of the demo model, each against its definition in loops."""

import numpy as np
import pytest
from numpy.typing import NDArray

from twinlens.demo.samples import CLASSES
from twinlens_demo.concepts import Concept
from twinlens_demo.metrics import Recall, pair_calibration_error, recall, zero_shot


def concept(subgroup: str, group: str = "objects") -> Concept:
    return Concept(
        code="1f600",
        names=("a name",),
        keywords=(),
        group=group,
        subgroup=subgroup,
        held_out=False,
    )


def recall_by_loops(scores: NDArray[np.float32], right: NDArray[np.bool_]) -> Recall:
    ranks = []
    for row, answers in zip(scores.tolist(), right.tolist(), strict=True):
        best = max(score for score, answer in zip(row, answers, strict=True) if answer)
        better = [
            score
            for score, answer in zip(row, answers, strict=True)
            if not answer and score >= best
        ]
        ranks.append(len(better) + 1)

    def within(k: int) -> float:
        return 100 * sum(rank <= k for rank in ranks) / len(ranks)

    return Recall(
        at_1=within(1), at_5=within(5), at_10=within(10), median_rank=float(np.median(ranks))
    )


@pytest.mark.parametrize("seed", range(5))
def test_recall_is_its_definition_on_scores_full_of_ties(seed: int) -> None:
    random = np.random.default_rng(seed)
    scores = random.integers(0, 6, (40, 30)).astype(np.float32)
    right = random.random((40, 30)) < 0.1
    right[np.arange(40), random.integers(0, 30, 40)] = True
    assert recall(scores, right) == recall_by_loops(scores, right)


def test_a_tie_counts_against_recall() -> None:
    scores = np.ones((1, 3), dtype=np.float32)
    right = np.array([[True, False, False]])
    assert recall(scores, right).at_1 == 0
    assert recall(scores, right).median_rank == 3


def test_any_of_several_right_answers_will_do() -> None:
    scores = np.array([[0.1, 0.9, 0.5]], dtype=np.float32)
    assert recall(scores, np.array([[True, True, False]])).at_1 == 100


def test_zero_shot_counts_only_what_has_a_class() -> None:
    shown = [concept("face-smiling"), concept("lock"), concept("animal-bird"), concept("food-x")]
    places = {name: place for place, name in enumerate(CLASSES)}
    images = np.eye(len(CLASSES), dtype=np.float32)[
        [places["face"], places["flag"], places["animal"], places["flag"]]
    ]
    class_rows = np.eye(len(CLASSES), dtype=np.float32)
    assert zero_shot(images, shown, class_rows) == pytest.approx(100 * 2 / 3)


def error_by_loops(guesses: list[float], truths: list[float], bins: int) -> float:
    """Bins of equal mass, the first ones a pair larger where the pairs do not divide evenly."""
    pairs = sorted(zip(guesses, truths, strict=True))
    size, spare = divmod(len(pairs), bins)
    total, start = 0.0, 0
    for number in range(bins):
        stop = start + size + (number < spare)
        guess = sum(pair[0] for pair in pairs[start:stop])
        truth = sum(pair[1] for pair in pairs[start:stop])
        total += abs(guess - truth)
        start = stop
    return total / len(pairs)


@pytest.mark.parametrize("bins", [1, 4, 15])
def test_the_calibration_error_is_that_of_bins_of_equal_mass(bins: int) -> None:
    random = np.random.default_rng(3)
    # Distinct guesses, and as many wrong pairs as are drawn: nothing is left to chance.
    guesses = random.permutation(50).reshape(5, 10).astype(np.float32) / 50
    right = np.zeros((5, 10), dtype=bool)
    right[:, :5] = True
    got = pair_calibration_error(guesses, right, bins=bins)
    wanted = error_by_loops(guesses.ravel().tolist(), right.ravel().tolist(), bins)
    assert got == pytest.approx(wanted, abs=1e-6)


def test_the_calibration_error_knows_the_right_from_the_wrong() -> None:
    right = np.eye(40, dtype=bool)
    sure = right.astype(np.float32)
    assert pair_calibration_error(sure, right) == 0
    assert pair_calibration_error(1 - sure, right) == 1
    assert pair_calibration_error(np.full((40, 40), 0.5, np.float32), right, bins=1) == 0
