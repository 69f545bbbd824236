"""A real server under bad clients: each gets a stated answer, and all others theirs."""

import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import numpy as np
import pytest
from http_servers import PATIENCE_S, ServerProcess, open_files

from twinlens import Model

TEXTS = ["a dog", "a slice of pizza", "a red car"]
SHORT = """
import twinlens.http.server.connection as connection, twinlens.http.server.server as server
connection.Connection.head_s = connection.Connection.unread_s = 0.3
server.SWEEP_S = 0.05
import twinlens.http.guards.recorder as recorder
recorder.LINGER_S = 0.3
import functools, twinlens.http.options as options
options.HttpOptions = functools.partial(options.HttpOptions, body_grace_s=0.3)
"""
"""Shortens the times in which a client must do something."""


@pytest.fixture(scope="module")
def hasty() -> Iterator[ServerProcess]:
    """A server that waits 0.3 s for heads, for bodies, and for readers."""
    arguments = ("demo", "--port", "0", "--timeout", "60", "--notice", "0")
    with ServerProcess(*arguments, plant=SHORT) as found:
        yield found
        assert found.end()[0] == 0, found.lines


def until(reached: Callable[[], bool]) -> None:
    """Wait until something is reached."""
    end = time.monotonic() + PATIENCE_S
    while not reached():
        assert time.monotonic() < end
        time.sleep(0.02)


def works(server: ServerProcess) -> None:
    """Check that it still answers."""
    with server.client() as client:
        answer = client.post("/v1/embeddings", json={"input": "a dog"})
        assert answer.status_code == 200, answer.text


def raw(server: ServerProcess, content: bytes) -> bytes:
    """Send bytes; return everything that comes until the end."""
    with server.connect() as connection:
        connection.sendall(content)
        parts = []
        while part := connection.recv(65536):
            parts.append(part)
    return b"".join(parts)


def status_of(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def posted(body: bytes, *headers: str) -> bytes:
    """Return the bytes of a POST to the embeddings."""
    lines = ["POST /v1/embeddings HTTP/1.1", "host: localhost", "content-type: application/json"]
    return "\r\n".join([*lines, *headers, "", ""]).encode() + body


def test_a_real_server_has_the_rows_of_the_model(
    server: ServerProcess, model: Model, uris: list[str], pictures: list[bytes]
) -> None:
    with server.client() as client:
        answer = client.post("/v1/embeddings", json={"input": TEXTS}).json()
        rows = np.array([entry["embedding"] for entry in answer["data"]], np.float32)
        np.testing.assert_array_equal(rows, model.embed_texts(TEXTS))
        body = {"input": uris, "modality": "image"}
        answer = client.post("/v1/embeddings", json=body).json()
        rows = np.array([entry["embedding"] for entry in answer["data"]], np.float32)
        np.testing.assert_array_equal(rows, model.embed_images(pictures))
        assert client.head("/health/live").status_code == 200
        assert "server" not in answer


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"no http\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nhost: a\r\ncontent-length: x\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n" + b"a: " + b"b" * 200_000, 431),
        (b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\n", 431),
        (b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 50_000, 431),
        (posted(b"5\r\nab", "content-length: 3", "transfer-encoding: chunked"), 400),
        (posted(b"zz\r\n", "transfer-encoding: chunked"), 400),
        (b"GET /health/live HTTP/1.1\r\nhost: evil.example\r\nconnection: close\r\n\r\n", 400),
        (b"GET /health/live HTTP/1.1\r\nconnection: close\r\n\r\n", 400),
    ],
)  # fmt: skip
def test_what_is_no_good_http_gets_an_error_of_the_same_shape(
    server: ServerProcess, content: bytes, status: int
) -> None:
    answer = raw(server, content)
    assert status_of(answer) == status, answer
    assert set(json.loads(answer.partition(b"\r\n\r\n")[2])["error"]) == {
        "message", "type", "param", "code",
    }  # fmt: skip
    works(server)


def test_a_body_beyond_the_limit_is_refused_before_it_has_come(server: ServerProcess) -> None:
    for content in (
        posted(b"", f"content-length: {33 << 20}"),
        posted(b"", f"content-length: {33 << 20}", "expect: 100-continue"),
    ):
        answer = raw_refusal(server, content)
        assert status_of(answer) == 413
        assert b"100 Continue" not in answer


def raw_refusal(server: ServerProcess, content: bytes) -> bytes:
    """Send bytes; return the first part of the answer, and send no more."""
    with server.connect() as connection:
        connection.sendall(content)
        return connection.recv(65536)


def test_a_client_that_sends_all_of_a_body_too_large_sees_the_answer(
    server: ServerProcess,
) -> None:
    with server.client() as client:
        answer = client.post(
            "/v1/embeddings",
            content=b" " * (34 << 20),
            headers={"content-type": "application/json"},
        )
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "body_too_large")
    works(server)


def test_a_body_longer_than_it_says_is_cut_and_the_rest_is_no_request(
    server: ServerProcess,
) -> None:
    body = b'{"input": "a dog"}'
    answer = raw(server, posted(body + b"rest", f"content-length: {len(body)}"))
    assert status_of(answer) == 200
    assert answer.count(b"HTTP/1.1") == 1


def test_a_slow_head_a_slow_body_and_a_short_one_are_ended(hasty: ServerProcess) -> None:
    assert status_of(raw(hasty, b"GET / HTTP/1.1\r\nhost:")) == 408
    assert raw(hasty, b"") == b"", "an open connection without a word is closed"
    for content in (
        posted(b'{"input": ', "content-length: 100"),
        posted(b"3\r\n{", "transfer-encoding: chunked"),
    ):
        answer = raw(hasty, content)
        assert status_of(answer) == 408
        assert b"body_timeout" in answer
    works(hasty)


def test_pipelined_requests_are_answered_in_order_and_no_number_of_them(
    server: ServerProcess,
) -> None:
    paths = ["/health/live", "/nothing", "/v1/models", "/health/ready"]
    heads = [f"GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n" for path in paths]
    last = "GET /a HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"
    answers = raw(server, "".join([*heads, last]).encode())
    found = [int(part[:3]) for part in answers.split(b"HTTP/1.1 ")[1:]]
    assert found == [200, 404, 200, 200, 404]
    body = json.dumps({"input": TEXTS}).encode()
    many = posted(body, f"content-length: {len(body)}") * 1000
    with server.connect() as connection, pytest.raises((ConnectionResetError, BrokenPipeError)):
        send_for_ever(connection, many)
    works(server)


def send_for_ever(connection: socket.socket, content: bytes) -> None:
    while True:
        connection.sendall(content)
        connection.recv(65536)


def test_a_client_that_never_reads_is_left(hasty: ServerProcess) -> None:
    before = open_files(hasty.process)
    body = json.dumps({"input": ["a dog"] * 2048}).encode()
    with socket.socket() as silent:
        # Its answer, 8 MB of digits, is more than the two ends hold.
        silent.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        silent.connect(("127.0.0.1", hasty.port))
        silent.sendall(posted(body, f"content-length: {len(body)}"))
        hasty.line(lambda line: line.get("texts") == 2048)
        assert open_files(hasty.process) > before
        works(hasty)
        until(lambda: open_files(hasty.process) <= before)


def test_a_client_that_leaves_is_not_computed_for(server: ServerProcess) -> None:
    body = json.dumps({"input": [f"text {number}" for number in range(2048)]}).encode()
    seen = len(server.lines)
    with server.connect() as connection:
        connection.sendall(posted(body, f"content-length: {len(body)}"))
        with server.client() as client:
            until(lambda: "twinlens_requests_in_progress 2.0" in client.get("/metrics").text)
    line = server.line(lambda line: line.get("status") == 499, after=seen)
    assert (line["error"], line["texts"]) == ("client_left", 2048)
    with server.client() as client:
        metrics = client.get("/metrics").text
    assert 'twinlens_dropped_total{why="cancelled"}' in metrics
    works(server)


def test_a_client_that_leaves_within_its_body_leaves_nothing(server: ServerProcess) -> None:
    seen = len(server.lines)
    with server.connect() as connection:
        connection.sendall(posted(b'{"input": ', "content-length: 1000"))
        with server.client() as client:
            until(lambda: "twinlens_requests_in_progress 2.0" in client.get("/metrics").text)
    server.line(lambda line: line.get("status") == 499, after=seen)
    with server.client() as client:
        until(lambda: "twinlens_body_bytes 0.0" in client.get("/metrics").text)


NARROW = """
import resource, time, twinlens.model.model as model
resource.setrlimit(resource.RLIMIT_NOFILE, (160, 160))
embed = model.Model.embed_tokens
def slow(self, tokens, **named):
    time.sleep(0.01)
    return embed(self, tokens, **named)
model.Model.embed_tokens = slow
"""
"""Gives the server few files and slow towers."""


def test_a_flood_is_answered_200_or_429_and_is_over_when_it_ends() -> None:
    arguments = ("demo", "--port", "0", "--max-queue", "12", "--timeout", "60")
    with ServerProcess(*arguments, plant=NARROW) as server:

        def ask(_: int) -> tuple[int, str | None]:
            answer = client.post("/v1/embeddings", json={"input": TEXTS})
            return answer.status_code, answer.headers.get("retry-after")

        with server.client() as client, ThreadPoolExecutor(32) as pool:
            answers = list(pool.map(ask, range(400)))
        assert {status for status, _ in answers} == {200, 429}
        assert all(int(after or 0) >= 1 for status, after in answers if status == 429)
        works(server)
        idle = [server.connect() for _ in range(150)]
        assert status_of(idle[-1].recv(65536)) == 429, "more connections than files"
        for one in idle:
            one.close()
        until(lambda: open_files(server.process) < 60)
        works(server)
        assert server.end()[0] == 0


def test_a_log_that_nobody_reads_stops_nothing(tmp_path: Path) -> None:
    place = tmp_path / "socket"
    code = "import sys; from twinlens_command import main; sys.exit(main())"
    arguments = [sys.executable, "-c", code, "serve", "demo", "--uds", str(place), "--notice", "0"]
    with subprocess.Popen(arguments, stderr=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        until(place.exists)
        with httpx.Client(
            transport=httpx.HTTPTransport(uds=str(place)), base_url="http://a"
        ) as one:
            # 500 lines of 200 bytes and more; a pipe holds 65,536 bytes.
            statuses = {one.get("/nothing", timeout=PATIENCE_S).status_code for _ in range(500)}
        assert statuses == {404}
        process.terminate()
        assert process.wait(PATIENCE_S) == 0
