"""Guards: hosts, keys, origins, numbers, bodies, and whatever nobody foresaw."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from http_servers import InProcess, LoopThread, in_process
from starlette.datastructures import Headers
from starlette.types import Message

from twinlens.http.bodies.reading import BodyReader
from twinlens.http.errors import HttpError
from twinlens.http.exchange import Exchange
from twinlens.http.guards.hosts import LOOPBACK
from twinlens.http.options import HttpOptions
from twinlens.http.request_log import JsonLines, ShortLines
from twinlens.http.routes import embeddings
from twinlens.http.service.keys import KeyRing

KEYS = ("a-key-of-the-first-caller", "another-key-of-a-second-one")
JSON = {"content-type": "application/json"}


@pytest.fixture(scope="module")
def guarded(loop: LoopThread, tmp_path_factory: pytest.TempPathFactory) -> Iterator[InProcess]:
    file = tmp_path_factory.mktemp("keys") / "keys"
    file.write_text(f"# callers\n{KEYS[0]}\n\n  {KEYS[1]}\n", "ascii")
    options = HttpOptions(
        timeout_s=60,
        max_body_bytes=10_000,
        max_held_bytes=25_000,
        body_grace_s=0.2,
        allowed_hosts=LOOPBACK,
        cors_origins=("https://page.example",),
    )
    with in_process(loop, options=options, keys=KeyRing(file)) as found:
        yield found


def bearer(key: str = KEYS[0]) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


def asked(service: InProcess, **headers: str) -> int:
    headers = bearer() | headers
    return service.post("/v1/embeddings", json={"input": "a dog"}, headers=headers).status_code


@pytest.mark.parametrize(
    ("host", "status"),
    [
        *(
            (name, 200)
            for name in ("localhost", "LOCALHOST:8000", "127.0.0.1:1", "[::1]:80", "[::1]")
        ),
        *((name, 400) for name in ("evil.example", "localhost.evil.example", "127.0.0.1.evil", "")),
    ],
)
def test_a_page_that_calls_itself_localhost_is_refused(
    guarded: InProcess, host: str, status: int
) -> None:
    assert asked(guarded, host=host) == status


@pytest.mark.parametrize("key", KEYS)
def test_each_key_of_the_file_opens(guarded: InProcess, key: str) -> None:
    answer = guarded.get("/v1/models", headers=bearer(key))
    assert answer.status_code == 200


@pytest.mark.parametrize(
    "value",
    ["", "Bearer", "Bearer ", f"Basic {KEYS[0]}", KEYS[0], f"Bearer {KEYS[0]}x", "Bearer é"],
)
def test_no_other_key_opens(guarded: InProcess, value: str) -> None:
    for path in ("/v1/models", "/metrics", "/openapi.json", "/nothing"):
        answer = guarded.get(path, headers={"authorization": value.encode("latin-1")})
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"
        assert answer.json()["error"]["code"] == "invalid_api_key"
        assert KEYS[0] not in answer.text


def test_health_needs_no_key(guarded: InProcess) -> None:
    assert guarded.get("/health/live").status_code == 200
    assert guarded.get("/health/ready").status_code == 200


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "has no key"),
        ("# none\n", "has no key"),
        ("short\n", "key 1 of"),
        ("é" * 20, "key 1 of"),
    ],
)
def test_a_file_without_good_keys_is_refused(tmp_path: Path, content: str, words: str) -> None:
    (tmp_path / "keys").write_text(content, "utf-8")
    with pytest.raises(ValueError, match=words):
        KeyRing(tmp_path / "keys")


def test_pages_of_named_origins_may_call_and_of_no_others(guarded: InProcess) -> None:
    asks = {
        "access-control-request-method": "POST",
        "access-control-request-headers": "content-type",
    }
    for origin, status in (("https://page.example", 200), ("https://evil.example", 400)):
        answer = guarded.ask("OPTIONS", "/v1/embeddings", headers={"origin": origin, **asks})
        assert answer.status_code == status
        assert (answer.headers.get("access-control-allow-origin") == origin) == (status == 200)


def test_every_answer_forbids_guessing_and_keeping(service: InProcess) -> None:
    for answer in (service.get("/v1/models"), service.get("/nothing"), service.post("/embed")):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"
        assert "access-control-allow-origin" not in answer.headers


async def pieces(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


def test_a_body_is_counted_as_it_comes(guarded: InProcess) -> None:
    body = b'{"input": "' + b"a " * 10_000 + b'"}'
    for content in (body, pieces(body[:9000], body[9000:])):
        status, error = guarded.refused("/v1/embeddings", content=content, headers=JSON | bearer())
        assert (status, error["code"]) == (413, "body_too_large")
    for lie in ("1", "9999"):  # the transport here does not cut what is longer than it says
        status, error = guarded.refused(
            "/v1/embeddings", content=body, headers=JSON | bearer() | {"content-length": lie}
        )
        assert status == 413


def test_a_slow_body_is_ended(guarded: InProcess) -> None:
    async def dripping() -> AsyncIterator[bytes]:
        yield b'{"input": '
        await asyncio.sleep(60)

    status, error = guarded.refused("/v1/embeddings", content=dripping(), headers=JSON | bearer())
    assert (status, error["code"]) == (408, "body_timeout")


def test_bodies_in_progress_fill_the_room_and_leave_it(guarded: InProcess) -> None:
    bodies = guarded.service.bodies
    assert bodies.held_bytes == 0
    bodies.held_bytes = 24_990
    try:
        answer = guarded.post("/v1/embeddings", json={"input": "a dog"}, headers=bearer())
        assert answer.status_code == 429
        assert answer.headers["retry-after"] == "1"
        assert answer.json()["error"]["type"] == "rate_limit_error"
    finally:
        bodies.held_bytes = 0
    assert asked(guarded) == 200
    assert bodies.held_bytes == 0


def test_too_many_requests_at_once_are_told_to_come_again(loop: LoopThread) -> None:
    with in_process(loop, options=HttpOptions(max_requests=3)) as service:
        service.service.requests_in_progress = 3
        answer = service.post("/v1/embeddings", json={"input": "a dog"})
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "1")
        assert service.get("/health/live").status_code == 200
        assert service.get("/health/ready").status_code == 200, "a full queue is no reason to leave"
        service.service.requests_in_progress = 0
        assert service.post("/v1/embeddings", json={"input": "a dog"}).status_code == 200


def test_a_queue_that_is_full_refuses_at_once_and_all_or_nothing(loop: LoopThread) -> None:
    with in_process(loop, max_queue=8) as service:
        answer = service.post("/v1/embeddings", json={"input": ["a dog"] * 9})
        assert answer.status_code == 429
        assert int(answer.headers["retry-after"]) >= 1
        assert service.post("/v1/embeddings", json={"input": ["a dog"] * 8}).status_code == 200


def test_a_client_that_leaves_takes_its_items_along(service: InProcess) -> None:
    body = json.dumps({"input": ["a dog"] * 2000}).encode()
    sent: list[Any] = []

    async def leave() -> int:
        messages = iter([{"type": "http.request", "body": body}, {"type": "http.disconnect"}])

        async def receive() -> Message:
            return next(messages)

        async def send(message: Message) -> None:
            sent.append(message)

        scope: dict[str, Any] = {"type": "http", "method": "POST", "path": "/v1/embeddings"}
        scope["headers"] = [(b"content-type", b"application/json"), (b"content-length", b"1")]
        before = service.service.stats()
        await service.application(scope, receive, send)
        after = service.service.stats()
        assert before is not None
        assert after is not None
        assert after.unfinished == before.unfinished
        return after.cancelled - before.cancelled

    assert service.run(leave()) == 1
    assert sent[0]["status"] == 499


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[logging.LogRecord]]:
    """Records of the log of requests."""
    found: list[logging.LogRecord] = []
    handler = logging.Handler()
    handler.emit = found.append  # type: ignore[method-assign]
    logger = logging.getLogger("twinlens.http.requests")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield found
    logger.removeHandler(handler)
    logger.setLevel(level)


def test_an_error_that_nobody_foresaw_tells_nothing_of_the_inside(
    service: InProcess, monkeypatch: pytest.MonkeyPatch, lines: list[logging.LogRecord]
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a secret of the inside")

    monkeypatch.setattr(embeddings, "require_width", broken)
    answer = service.post("/v1/embeddings", json={"input": "a"}, headers={"x-request-id": "id-7"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "internal_error")
    assert "secret" not in answer.text
    assert answer.headers["x-request-id"] == "id-7"
    told = json.loads(JsonLines().format(lines[-1]))
    assert told["request"] == "id-7"
    assert "a secret of the inside" in told["traceback"]


def test_a_line_of_the_log_tells_the_request_and_none_of_its_content(
    service: InProcess, lines: list[logging.LogRecord]
) -> None:
    trace, span = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
    service.post(
        "/v1/embeddings",
        json={"input": ["a dog", "secret words"]},
        headers={
            "traceparent": f"00-{trace}-{span}-01",
            "x-request-id": "bad id\u00e9".encode("latin-1"),
        },
    )
    told = json.loads(JsonLines().format(lines[-1]))
    assert (told["status"], told["path"], told["texts"]) == (200, "/v1/embeddings", 2)
    assert (told["trace"], told["span"]) == (trace, span)
    assert told["request"].isalnum(), "an id with other signs is replaced"
    assert {"ms", "queue_ms", "tower_ms", "bytes"} <= set(told)
    assert "secret" not in json.dumps(told)
    assert ShortLines().format(lines[-1]).endswith(" ms POST /v1/embeddings")


def test_a_path_cannot_forge_a_line_of_the_log(
    service: InProcess, lines: list[logging.LogRecord]
) -> None:
    service.get("/a%0A2026%20forged%1B[31m")
    for form in (JsonLines(), ShortLines()):
        assert form.format(lines[-1]).isprintable()


def test_a_reader_holds_no_byte_of_a_body_it_refused() -> None:
    async def read() -> int:
        reader = BodyReader(HttpOptions(max_held_bytes=10, max_body_bytes=100))
        exchange = Exchange(method="POST", path="/", request_id="", trace=None)

        async def receive() -> Message:
            return {"type": "http.request", "body": b"123456", "more_body": True}

        with pytest.raises(HttpError) as caught:
            await reader.read(receive, Headers(), exchange)
        assert caught.value.status == 429
        reader.release(exchange.body_bytes)
        return reader.held_bytes

    assert asyncio.run(read()) == 0
