"""Tokens: taken apart and put together again, no text loses its ids or its mark of a cut."""

import operator
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twinlens import TextError, Tokens

KEY = "a" * 64
MARKED = st.lists(st.tuples(st.lists(st.integers(0, 9), max_size=3), st.booleans()), max_size=8)
"""Texts: their ids, and True if they were cut."""
Marked = list[tuple[list[int], bool]]


def tokens_of(texts: Marked) -> Tokens:
    cut = tuple(place for place, (_, was_cut) in enumerate(texts) if was_cut)
    return Tokens(rows=tuple(tuple(ids) for ids, _ in texts), cut=cut, tokenizer=KEY)


@given(MARKED, st.slices(8))
def test_a_slice_is_that_of_the_texts(texts: Marked, part: slice) -> None:
    assert tokens_of(texts)[part] == tokens_of(texts[part])


@given(st.lists(MARKED, min_size=1, max_size=4))
def test_a_sum_is_that_of_the_texts(parts: list[Marked]) -> None:
    whole = tokens_of([text for texts in parts for text in texts])
    assert Tokens.joined(map(tokens_of, parts)) == whole
    added = tokens_of(parts[0])
    for texts in parts[1:]:
        added = added + tokens_of(texts)
    assert added == whole
    assert list(whole) == [tokens_of([text]) for texts in parts for text in texts]
    assert sum(whole.lengths) == sum(len(ids) for texts in parts for ids, _ in texts)


def test_one_text_is_taken_by_its_place_as_of_any_sequence() -> None:
    tokens = tokens_of([([1], False), ([2, 3], True), ([4], True)])
    assert tokens[1] == tokens[-2] == tokens_of([([2, 3], True)])
    for place in (3, -4):
        with pytest.raises(IndexError):
            tokens[place]
    with pytest.raises(TypeError):
        tokens["a"]  # type: ignore[index]


def test_tokens_are_values() -> None:
    tokens = tokens_of([([1], False), ([2, 3], True)])
    assert pickle.loads(pickle.dumps(tokens)) == tokens
    assert hash(pickle.loads(pickle.dumps(tokens))) == hash(tokens)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rows": [(1,)]}, "no tuple of tuples of ints; use Model.tokenize"),
        ({"rows": ([1],)}, "no tuple of tuples of ints"),
        ({"rows": ((1.0,),)}, "no tuple of tuples of ints"),
        ({"rows": ((True,),)}, "no tuple of tuples of ints"),
        ({"cut": (1,)}, r"cut texts of Tokens are \(1,\), wanted ascending places below 1"),
        ({"cut": (-1,)}, "wanted ascending places"),
        ({"cut": (0, 0)}, "wanted ascending places"),
        ({"cut": (False,)}, "wanted ascending places"),
        ({"tokenizer": None}, "the tokenizer of Tokens is None, wanted its key"),
    ],
)
def test_what_no_tokenizer_gives_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(TextError, match=message):
        Tokens(**{"rows": ((1,),), "tokenizer": KEY, **change})


def test_tokens_of_two_tokenizers_are_not_joined() -> None:
    other = Tokens(rows=((1,),), tokenizer="b" * 64)
    with pytest.raises(TextError, match="of several tokenizers; tokenize them by one model"):
        _ = tokens_of([([1], False)]) + other
    with pytest.raises(TypeError):
        operator.add(other, ((1,),))
    with pytest.raises(ValueError, match="there are no Tokens to join"):
        Tokens.joined([])
