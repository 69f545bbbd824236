"""Odd HTTP that is allowed: it is answered as it says, and nothing slips past a guard."""

import json
import re
import signal
import socket
import struct
import time

import pytest
from http_servers import PATIENCE_S, ServerProcess
from raw_http import posted, raw

from twinlens.http.server.server import SWEEP_S

BODY = b'{"input": "a dog"}'
LENGTH = f"content-length: {len(BODY)}"
UPGRADE = ("connection: Upgrade, HTTP2-Settings", "upgrade: h2c", "http2-settings: AAMAAABk")
"""Headers of the first request of Java's client."""
LAST = b"GET /a HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"
"""Request that ends the connection, by a 404."""


def statuses(answer: bytes) -> list[int]:
    return [int(digits) for digits in re.findall(rb"HTTP/1\.1 (\d{3}) ", answer)]


@pytest.mark.parametrize("cut", [0, 1, 30, 90, -len(BODY) - len(LAST), -len(LAST) - 3, -5])
def test_a_request_for_another_protocol_is_answered_in_this_one(
    server: ServerProcess, cut: int
) -> None:
    content = posted(BODY, LENGTH, *UPGRADE) + LAST
    with server.connect() as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for part in (content[:cut], content[cut:]):
            connection.sendall(part)
            server_has_read(server)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert statuses(answer) == [200, 404]
    assert b'"prompt_tokens":4' in answer


def server_has_read(server: ServerProcess) -> None:
    """Wait until the event loop has had a turn."""
    with server.client() as client:
        client.get("/health/live")


@pytest.mark.parametrize("count", [2, 40])
def test_a_body_after_such_a_head_is_no_request_of_its_own(
    server: ServerProcess, count: int
) -> None:
    hidden = b"GET /openapi.json HTTP/1.1\r\nhost: localhost\r\n\r\n"
    one = posted(hidden, f"content-length: {len(hidden)}", *UPGRADE)
    found = statuses(raw(server, one * count + LAST))
    assert found == ([400, 400, 404] if count == 2 else [400] * 17)


def test_trailers_become_no_headers(server: ServerProcess) -> None:
    chunks = b"%x\r\n%s\r\n0\r\n" % (len(BODY), BODY)
    trailers = b"host: evil.example\r\npriority: urgent\r\nx-request-timeout-ms: no\r\n\r\n"
    content = posted(chunks + trailers, "transfer-encoding: chunked")
    assert statuses(raw(server, content + LAST)) == [200, 404]


def test_of_too_many_pipelined_requests_the_first_are_answered(server: ServerProcess) -> None:
    answer = raw(server, posted(BODY, LENGTH) * 40)
    assert statuses(answer) == [200] * 17, "one at work, and 16 that wait"


def test_pipelined_requests_of_a_client_that_leaves_are_not_computed(
    server: ServerProcess,
) -> None:
    body = json.dumps({"input": [f"{number} {'word ' * 70}" for number in range(2048)]}).encode()
    seen = len(server.lines)
    with server.connect() as connection:
        connection.sendall(posted(body, f"content-length: {len(body)}") + posted(BODY, LENGTH))
        server_has_read(server)
    line = server.line(lambda line: line.get("texts") == 2048, after=seen)
    assert line["status"] == 499
    server_has_read(server)
    assert all(isinstance(line, dict) and line["level"] != "error" for line in server.lines[seen:])


COUNTED = """
import gc, logging, signal, weakref, twinlens.http.server.connection as connection
made = weakref.WeakSet()
begin = connection.Connection.connection_made
def connection_made(self, transport):
    made.add(self)
    begin(self, transport)
connection.Connection.connection_made = connection_made
def tell(*_):
    gc.collect()
    logging.getLogger("twinlens.http").info("%d connections", len(made))
signal.signal(signal.SIGUSR1, tell)
"""
"""Tells at a signal the connections that are not forgotten."""


def test_a_connection_that_is_reset_is_forgotten() -> None:
    with ServerProcess("demo", "--port", "0", "--notice", "0", plant=COUNTED) as server:
        for idle_s in [0.0] * 19 + [2 * SWEEP_S]:
            with server.connect() as connection:
                connection.sendall(posted(BODY, LENGTH))
                assert statuses(connection.recv(65536)) == [200]
                time.sleep(idle_s)  # the sweep of the idle sees the last one
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        held, end = 20, time.monotonic() + PATIENCE_S / 2
        while held:
            assert time.monotonic() < end, held
            seen = len(server.lines)
            server.process.send_signal(signal.SIGUSR1)
            line = server.line(lambda line: "connections" in str(line.get("text")), after=seen)
            held = int(line["text"].split()[0])
        assert server.end()[0] == 0


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"GET /health/live HTTP/1.0\r\n\r\n", 200),
        (b"GET /health/live HTTP/1.0\r\nhost: evil.example\r\n\r\n", 400),
        (b"GET /%2e%2e/%2e%2e/etc/passwd HTTP/1.0\r\n\r\n", 404),
        (b"GET /health/../metrics HTTP/1.0\r\n\r\n", 404),
        (b"GET //health/live HTTP/1.0\r\n\r\n", 404),
        (b"GET /\xff\xfe HTTP/1.0\r\n\r\n", 400),
        (b"GET /%ff%zz?key=secret HTTP/1.0\r\n\r\n", 404),
        (b"GET /health/live HTTP/1.0\r\nx-request-id: \xff\xfe\r\n\r\n", 200),
        (b"OPTIONS * HTTP/1.0\r\n\r\n", 404),
        (b"OPTIONS /v1/embeddings HTTP/1.0\r\n\r\n", 405),
        (b"CONNECT localhost:80 HTTP/1.1\r\nhost: localhost\r\n\r\n", 400),
        (posted(BODY, LENGTH, LENGTH), 400),
        (posted(BODY, LENGTH, "content-length: 3"), 400),
        (posted(BODY, LENGTH, "transfer-encoding: chunked"), 400),
        (posted(BODY, "content-length: +18"), 400),
        (posted(BODY, "content-length : 18"), 400),
        (posted(BODY, LENGTH, "host: localhost", "connection: close"), 400),
    ],
)
def test_heads_that_a_proxy_might_read_in_another_way(
    server: ServerProcess, head: bytes, status: int
) -> None:
    assert statuses(raw(server, head)) == [status]
    assert not any("secret" in str(line) for line in server.lines)
