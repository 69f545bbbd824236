"""Answers of HTTP, whatever pieces they come in; and servers that answer otherwise."""

import asyncio
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twinlens.benchmarking.errors import ServiceError
from twinlens.benchmarking.targets.answer_reader import AnswerReader
from twinlens.benchmarking.targets.http_connection import Address, Connection, WaitingConnection

HEAD = b"HTTP/1.1 200 OK\r\nServer: a\r\n"


def encoded(parts: Sequence[bytes], *, chunked: bool) -> bytes:
    if not chunked:
        body = b"".join(parts)
        return HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body
    chunks = b"".join(b"%x;a=b\r\n%s\r\n" % (len(part), part) for part in parts if part)
    return HEAD + b"transfer-encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n"


@given(st.lists(st.binary(max_size=40), max_size=4), st.booleans(), st.data())
def test_an_answer_is_whole_at_its_last_byte(
    parts: list[bytes], chunked: bool, data: st.DataObject
) -> None:
    """Bodies hold anything, the end of a chunked answer too."""
    parts = [part + b"0\r\n\r\n" for part in parts]
    answer = encoded(parts, chunked=chunked)
    cut = data.draw(st.integers(0, len(answer) - 1))
    reader = AnswerReader()
    assert not reader.feed(answer[:cut])
    assert reader.feed(answer[cut:])
    assert (reader.status, reader.body()) == (200, b"".join(parts))


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-a\r\n\r\n",
        b"HTTP/1.1 ok\r\n\r\n",
        b"x" * (1 << 17),
        HEAD[:-2] + b"\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
    ],
)
def test_what_is_no_http_is_an_error(answer: bytes) -> None:
    reader = AnswerReader()
    with pytest.raises(ServiceError, match="the server answers"):
        reader.feed(answer)


@contextmanager
def server(answers: Sequence[Sequence[bytes]]) -> Iterator[Address]:
    """Serve connections one after the other, each with its answers, and then close it."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            for several in answers:
                connection, _ = listening.accept()
                with connection:
                    for answer in several:
                        connection.recv(1 << 16)
                        connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield Address.read(f"http://127.0.0.1:{listening.getsockname()[1]}")
        thread.join()


def ask(address: Address, count: int, *, waits: bool) -> list[tuple[int, bytes]]:
    request = address.request("GET", "/models")
    if waits:
        connection = WaitingConnection(address)
        found = [connection.ask(request) for _ in range(count)]
        connection.close()
        return found

    async def all_of_them() -> list[tuple[int, bytes]]:
        connection = Connection(address)
        found = [await connection.ask(request) for _ in range(count)]
        connection.close()
        return found

    return asyncio.run(all_of_them())


@pytest.mark.parametrize("waits", [True, False])
def test_an_idle_connection_that_was_closed_is_opened_again(waits: bool) -> None:
    one = encoded([b"1"], chunked=False)
    with server([[one, one], [one]]) as address:
        assert ask(address, 3, waits=waits) == [(200, b"1")] * 3


def test_a_torn_answer_is_no_answer() -> None:
    torn = encoded([b"123456"], chunked=False)[:-3]
    with server([[torn]]) as address, pytest.raises(ServiceError, match=r"is it up\?"):
        ask(address, 1, waits=True)
    with server([[torn]]) as address:
        assert ask(address, 1, waits=False) == [(0, b"")]


def test_an_address_is_read_with_and_without_the_path_of_the_embeddings() -> None:
    for url, base in (
        ("http://a", "/v1"),
        ("http://a/", "/v1"),
        ("http://a/v1/embeddings", "/v1"),
        ("http://a/api/openai/v1", "/api/openai/v1"),
    ):
        assert Address.read(url).base == base
    key = Address.read("https://a:444", "secret").request(
        "POST", "/embeddings", b"{}", priority="bulk"
    )
    lines = key.partition(b"\r\n\r\n")[0].split(b"\r\n")
    assert lines[0] == b"POST /v1/embeddings HTTP/1.1"
    assert {b"host: a:444", b"authorization: Bearer secret", b"priority: bulk"} < set(lines)
    for url in ("a.example", "ftp://a", "http://"):
        with pytest.raises(ValueError, match="wanted one such as"):
            Address.read(url)
