import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twinlens.index.id_lookup import IdLookup
from twinlens.index.ids import Keys, id_sections, keys_of, read_ids

# So few that ids are repeated, and the first halves of their keys as well.
PAIRS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2)), max_size=40)


def keys(pairs: list[tuple[int, int]], *, text: bool) -> Keys:
    both = np.array(pairs, dtype=np.uint64).reshape(-1, 2)
    if text:
        return Keys(first=both[:, 0], second=both[:, 1])
    return Keys(first=both[:, 0].astype(np.int64), second=None)


@given(held=PAIRS, wanted=PAIRS, sizes=st.lists(st.integers(0, 40), max_size=8), text=st.booleans())
def test_the_newest_row_of_a_key_is_found_at_any_size(
    held: list[tuple[int, int]], wanted: list[tuple[int, int]], sizes: list[int], text: bool
) -> None:
    """Also for an older snapshot, after the rows of a newer one were looked up."""
    lookup, asked = IdLookup(), keys(wanted, text=text)
    for size in sizes:
        found = lookup.find(asked, keys(held[:size], text=text)).tolist()
        for row, key in zip(found, wanted, strict=True):
            same = [
                number
                for number, other in enumerate(held[:size])
                if (other == key if text else other[0] == key[0])
            ]
            assert row == max(same, default=-1)


@given(ids=st.lists(st.text(st.characters(categories=None), max_size=3), max_size=20))
def test_strings_are_told_apart_by_their_letters(ids: list[str]) -> None:
    held = keys_of(id_sections(ids))
    found = IdLookup().find(held, held).tolist()
    assert found == [len(ids) - 1 - ids[::-1].index(name) for name in ids]


@pytest.mark.parametrize("dtype", [np.int8, np.uint64, np.int64, np.dtypes.StringDType(), "<U5"])
def test_arrays_of_any_integer_or_string_are_ids(dtype: object) -> None:
    given_ids = np.array([3, 1, 2]).astype(dtype)  # type: ignore[call-overload]
    ids = read_ids(given_ids)
    if isinstance(ids, list):
        assert ids == ["3", "1", "2"]
    else:
        assert (ids.dtype, ids.tolist()) == (np.int64, [3, 1, 2])
