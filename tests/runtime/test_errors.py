"""Inputs quoted in messages."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twinlens.errors import QUOTED_CHARACTERS, quoted


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        ("photos/a.jpg", "photos/a.jpg"),
        ("größe 犬.png", "größe 犬.png"),
        ("two\nlines", r"two\nlines"),
        ("\x1b[31mred", r"\x1b[31mred"),
        ("\ud800", r"\ud800"),
        ("\u2028", r"\u2028"),
        (7, "7"),
        (b"\x00a", r"b'\x00a'"),
    ],
)
def test_a_value_is_quoted_as_it_reads(value: object, wanted: str) -> None:
    assert quoted(value) == wanted


@given(st.one_of(st.text(), st.binary(), st.text(min_size=70, max_size=300)))
def test_any_value_is_one_line_of_at_most_eighty_characters(value: object) -> None:
    line = quoted(value)
    assert len(line) <= QUOTED_CHARACTERS
    assert line.isprintable()


def test_of_a_long_value_both_ends_are_seen() -> None:
    line = quoted("/data/" + "x" * 1_000_000 + "/dog.jpg")
    assert line.startswith("/data/xxx")
    assert line.endswith("xxx/dog.jpg")
    assert len(line) == QUOTED_CHARACTERS
    assert len(quoted(np.zeros((100, 100)))) <= QUOTED_CHARACTERS
