"""Queries: words with signs, near duplicates, and the number of matches expected."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twinlens.browsing.queries.dropped_pictures import MOST, DroppedPictures
from twinlens.browsing.queries.expected_matches import expected_matches
from twinlens.browsing.queries.near_duplicates import earlier_likes
from twinlens.browsing.queries.words import Words, read_words


@pytest.mark.parametrize(
    ("written", "plus", "minus"),
    [
        ("apple", ["apple"], []),
        ("apple - fruit", ["apple"], ["fruit"]),
        ("  a  red   car +  snow - people - night ", ["a red car", "snow"], ["people", "night"]),
        ("t-shirt +1 -x", ["t-shirt +1 -x"], []),
        ("- fruit + apple", ["apple"], ["fruit"]),
        ("apple - ", ["apple"], []),
        ("apple -", ["apple"], []),
        ("+ apple", ["apple"], []),
    ],
)
def test_words_are_read_as_they_are_typed(written: str, plus: list[str], minus: list[str]) -> None:
    assert read_words(written) == Words(plus=tuple(plus), minus=tuple(minus))


@pytest.mark.parametrize("written", ["", "   ", "- fruit", "+", " - "])
def test_nothing_to_be_like_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match="no words to be like"):
        read_words(written)


@given(st.lists(st.text(alphabet="ab -+", max_size=6), max_size=4).map(" ".join))
def test_no_letter_is_lost_by_a_sign(written: str) -> None:
    try:
        words = read_words(written)
    except ValueError:
        return
    letters = sorted("".join(words.texts).replace(" ", ""))
    assert [one for one in letters if one in "ab"] == sorted(one for one in written if one in "ab")
    assert all(text == " ".join(text.split()) and text for text in words.texts)


def test_the_row_is_the_unit_sum_less_the_others() -> None:
    rows = np.array([[1, 0, 0], [0, 1, 0], [0.6, 0, 0.8]], dtype=np.float32)
    row = Words(plus=("a", "b"), minus=("c",)).row(rows)
    expected = np.array([0.4, 1, -0.8]) / np.sqrt(0.4**2 + 1 + 0.8**2)
    np.testing.assert_allclose(row, expected, atol=1e-6)
    only = Words(plus=("a",)).row(rows[2:])
    assert only is not None
    assert only.tobytes() == rows[2].tobytes()
    assert Words(plus=("a",), minus=("a",)).row(rows[[0, 0]]) is None


@given(st.integers(0, 2**32 - 1), st.integers(1, 12), st.integers(0, 12))
def test_near_duplicates_of_pages_are_those_of_the_whole(seed: int, count: int, first: int) -> None:
    rng = np.random.default_rng(seed)
    rows = rng.choice([-1.0, 1.0], size=(count, 2)).astype(np.float32) / np.float32(np.sqrt(2))
    brute = [
        next((j for j in range(i) if float(rows[i] @ rows[j]) >= 0.9), -1) for i in range(count)
    ]
    first = min(first, count)
    assert earlier_likes(rows, first=first, cosine=0.9) == brute[first:]


def test_dropped_pictures_are_forgotten_oldest_first() -> None:
    dropped = DroppedPictures()
    tokens = [dropped.keep(np.full(2, n, dtype=np.float32)) for n in range(MOST + 1)]
    assert dropped.row(tokens[0]) is None
    assert [dropped.row(token) is not None for token in tokens[1:]] == [True] * MOST
    assert dropped.row("") is None


def test_few_matches_are_expected_of_any_folder() -> None:
    counts = [expected_matches(n) for n in (0, 1, 20, 60, 200, 10**6)]
    assert counts == [1, 1, 1, 3, 10, 10]
