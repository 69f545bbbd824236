"""Reference of the scores against exact arithmetic."""

import math
from fractions import Fraction

import numpy as np
import pytest

from twinlens_kernels import reference


@pytest.mark.parametrize("width", [1, 2, 3, 4, 5, 7, 8, 31, 100])
def test_halving_sum_adds_every_number_once(width: int) -> None:
    numbers = np.ldexp(1.0, np.arange(width) % 50)[None]
    assert reference.halving_sum(numbers.copy())[0] == math.fsum(numbers[0])


def test_halving_sum_adds_the_upper_half_onto_the_lower() -> None:
    # 1 meets -1e16 and is lost, 5 meets 0 and is kept; from left to right both would be kept.
    assert reference.halving_sum(np.array([[1.0, 5.0, 1e16, -1e16, 0.0]]))[0] == 5


def test_a_score_is_within_a_few_roundings_of_the_exact_one() -> None:
    random = np.random.default_rng(1)
    query, row = random.standard_normal((2, 513)).astype(np.float32)
    products = [Fraction(float(a)) * Fraction(float(b)) for a, b in zip(query, row, strict=True)]
    _, scores = reference.topk(query[None], row[None], 1)
    # Ten additions deep, each of relative error 2**-53.
    assert abs(Fraction(scores[0, 0]) - sum(products)) <= 10 * 2.0**-53 * sum(map(abs, products))


def test_topk_ranks_and_breaks_ties_by_the_lower_row() -> None:
    corpus = np.array([[1], [3], [2], [3], [-0.0], [0.0]], dtype=np.float32)
    ids, scores = reference.topk(np.ones((1, 1), dtype=np.float32), corpus, 9)
    assert ids.tolist() == [[1, 3, 2, 0, 4, 5]]
    assert scores.tolist() == [[3, 3, 2, 1, 0, 0]]
