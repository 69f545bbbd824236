"""Count of the values of a JSON text: those that a decoder would make, and no more time."""

import json

import pytest
from http_servers import InProcess
from hypothesis import given
from hypothesis import strategies as st

from twinlens.http.bodies import value_count
from twinlens.http.bodies.value_count import MOST_VALUES, has_too_many_values

values = st.recursive(
    st.none() | st.integers() | st.text('a,[{"\\\u00e9', max_size=8),
    lambda inner: (
        st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
)


def counted(value: object) -> int:
    """Strings, containers that begin, and commas between values."""
    if isinstance(value, str):
        return 1
    if isinstance(value, dict):
        inner = [counted(key) + counted(one) for key, one in value.items()]
    elif isinstance(value, list):
        inner = [counted(one) for one in value]
    else:
        return 0
    return 1 + sum(inner) + max(0, len(inner) - 1)


@given(value=values, most=st.integers(0, 20))
def test_the_count_is_that_of_the_values_and_not_of_signs_in_strings(
    value: object, most: int
) -> None:
    body = json.dumps(value, ensure_ascii=False).encode()
    signs = sum(body.count(sign) for sign in value_count.SIGNS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(value_count, "MOST_VALUES", most)
        assert has_too_many_values(body) == (counted(value) > most and signs > most)


@pytest.mark.parametrize("piece", [b"[],", b"1,", b"{},", b'"",', b'"a",', b'"\\",[', b'[[[["'])
def test_a_body_of_many_values_is_refused_before_it_is_decoded(
    service: InProcess, piece: bytes
) -> None:
    body = b'{"input": [' + piece * (8 << 20)
    status, error = service.refused(
        "/v1/embeddings", content=body[: 24 << 20], headers={"content-type": "application/json"}
    )
    assert (status, error["code"]) == (422, "request_too_large")


def test_texts_full_of_commas_are_texts(service: InProcess) -> None:
    texts = [", [{" * 10_000, "a, b, c, " * 7000]
    assert sum(text.count(sign) for text in texts for sign in ",[{") > MOST_VALUES
    answer = service.post("/v1/embeddings", json={"input": texts})
    assert answer.status_code == 200, answer.text
