"""Any body at any route: a stated answer, in time, and never an error that nobody foresaw."""

import json
import os
import socket
from typing import Any, Final

import pytest
from http_servers import InProcess, ServerProcess
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

EXAMPLES: Final = int(os.environ.get("TWINLENS_HTTP_EXAMPLES", "150"))
"""Cases of each test; a campaign sets more."""
FIELDS: Final = (
    "input", "model", "encoding_format", "dimensions", "user", "modality", "embedding_type",
    "normalized", "task", "late_chunking", "truncate", "timeout_ms", "priority", "texts", "images",
    "inputs", "content", "type", "text", "image", "image_url", "url", "input_type", "k", "pairs",
    "embedding_types", "output_dimension", "max_tokens", "prior", "labels", "templates",
)  # fmt: skip
PNG: Final = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwAD"
    "hgGAWjR9awAAAABJRU5ErkJggg=="
)
WORDS: Final = (
    "a dog", "", " ", "\0", "\ud800", "demo", "base64", "float", "image", "text", "bulk", "NONE",
    "data:,", "data:image/png;base64,", "http://a/b", "image_url", "a {}", "{}{}", PNG, PNG[:60],
    "interactive", "int8", "binary", "x" * 70_000, "\U0001f436" * 100,
)  # fmt: skip
PATHS: Final = ("/v1/embeddings", "/v2/embed", "/match", "/classify", "/search")
KNOWN: Final = {200, 400, 404, 408, 409, 413, 415, 422, 429, 504}

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(WORDS)
    | st.text(max_size=20)
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=4)
        | st.dictionaries(st.text(max_size=5), inner, max_size=2)
    ),
    max_leaves=12,
)
words = st.sampled_from(WORDS[:1] + WORDS[6:11]) | st.text(min_size=1, max_size=30)
images = st.sampled_from([PNG, PNG[22:], PNG[:-9], "eA==", "data:,x"])
parts = st.fixed_dictionaries({}, optional={"text": words, "image": images})
shapes = {
    "/v1/embeddings": {
        "input": words
        | st.lists(words | parts | st.integers() | st.lists(st.integers()), max_size=5)
    },
    "/v2/embed": {"texts": st.lists(words, max_size=4)},
    "/match": {
        "pairs": st.lists(st.fixed_dictionaries({"image": images, "text": words}), max_size=3)
    },
    "/classify": {
        "images": st.lists(images, max_size=3),
        "labels": st.lists(words, max_size=4),
    },
    "/search": {"texts": st.lists(words, max_size=3)},
}


@st.composite
def near_requests(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    """A request of the right shape, with a field or two that are anything."""
    path = draw(st.sampled_from(PATHS))
    body = draw(st.fixed_dictionaries(shapes[path]))
    odd = draw(st.dictionaries(st.sampled_from(FIELDS), values, max_size=2))
    return path, body | odd


def check(service: InProcess, path: str, content: bytes, **headers: str) -> None:
    """Check that a body gets an answer of the stated kinds."""
    answer = service.post(
        path, content=content, headers={"content-type": "application/json", **headers}
    )
    assert answer.status_code in KNOWN, (answer.text, content)
    found = json.loads(answer.content)
    if answer.status_code != 200:
        assert set(found["error"]) == {"message", "type", "param", "code"}
        assert len(found["error"]["message"]) < 2000
    assert service.service.bodies.held_bytes == 0


often = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@often
@given(request=near_requests())
def test_nearly_right_json_gets_a_stated_answer(
    service: InProcess, request: tuple[str, dict[str, Any]]
) -> None:
    path, body = request
    check(service, path, json.dumps(body).encode("utf-8", "surrogatepass"))


@often
@given(path=st.sampled_from((*PATHS, "/embed")), body=values)
def test_any_json_gets_a_stated_answer(service: InProcess, path: str, body: object) -> None:
    check(service, path, json.dumps(body).encode("utf-8", "surrogatepass"))


@often
@given(
    path=st.sampled_from((*PATHS, "/embed", "/v1/models")),
    content=st.binary(max_size=200),
    media=st.sampled_from(["application/json", "image/png", "text/plain", ""])
    | st.text("az/;", max_size=9),
    accept=st.sampled_from(["*/*", "application/octet-stream", "a/b", ";,", ""]),
    priority=st.sampled_from(["bulk", "u=1", "", "\x7f"]) | st.text("iu=, ", max_size=6),
    timeout=st.sampled_from(["1e9", "nan", "inf", "-1", "0", "", "5000", "1_0"]),
)
def test_any_bytes_and_headers_get_a_stated_answer(
    service: InProcess,
    path: str,
    content: bytes,
    media: str,
    accept: str,
    priority: str,
    timeout: str,
) -> None:
    answer = service.post(
        path,
        content=content,
        headers={
            "content-type": media, "accept": accept, "priority": priority,
            "x-request-timeout-ms": timeout,
        },
    )  # fmt: skip
    assert answer.status_code in KNOWN | {405, 406}, answer.text


@pytest.mark.parametrize("depth", [10, 100_000])
@pytest.mark.parametrize("path", PATHS)
def test_a_deep_nest_is_refused(service: InProcess, path: str, depth: int) -> None:
    for opening in (b"[", b'{"input":', b'{"unknown":'):
        check(service, path, opening * depth)
    check(service, path, b'{"input": ' + b"[" * depth + b"]" * depth + b"}")


WHOLE: Final = (
    (
        b"POST /v1/embeddings HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
        b'content-length: 18\r\n\r\n{"input": "a dog"}'
    ),
    (
        b"POST /embed HTTP/1.1\r\nhost: localhost\r\ncontent-type: image/png\r\n"
        b"transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
    ),
    b"GET /health/live HTTP/1.1\r\nhost: localhost\r\n\r\n",
)


@settings(
    max_examples=EXAMPLES // 3,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    whole=st.lists(st.sampled_from(WHOLE), min_size=1, max_size=3).map(b"".join),
    changes=st.lists(st.tuples(st.integers(0, 400), st.binary(max_size=4)), max_size=3),
)
def test_mutated_http_ends_and_the_server_goes_on(
    server: ServerProcess, whole: bytes, changes: list[tuple[int, bytes]]
) -> None:
    for place, content in changes:
        whole = whole[:place] + content + whole[place + len(content) :]
    with server.connect() as connection:
        connection.sendall(whole)
        connection.shutdown(socket.SHUT_WR)  # a request that is not whole ends here
        parts = []
        try:
            while part := connection.recv(65536):
                parts.append(part)
        except ConnectionResetError:
            pass
    answers = b"".join(parts).split(b"HTTP/1.1 ")[1:]
    assert not [one for one in answers if one[:3] in (b"500", b"503")], whole
    assert server.process.poll() is None
