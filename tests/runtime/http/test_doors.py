"""Doors of a server: names, addresses and paths, and signals before it is ready."""

import os
import signal
import socket
from pathlib import Path

import pytest
from http_servers import ServerProcess

from twinlens.http.guards.hosts import host_name
from twinlens.http.server.sockets import Place, listening_sockets, remove_path


def test_of_two_servers_that_begin_at_once_one_is_refused(tmp_path: Path) -> None:
    """The first has not accepted anything yet."""
    (first,) = listening_sockets(Place(port=0))
    with first, pytest.raises(OSError, match="in use; choose another --port"):
        listening_sockets(Place(port=first.getsockname()[1]))
    path = tmp_path / "socket"
    (first,) = listening_sockets(Place(uds=path))
    with first, pytest.raises(OSError, match="another server listens there"):
        listening_sockets(Place(uds=path))


def test_a_path_left_behind_is_taken_and_that_of_a_new_server_stays(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    listening_sockets(Place(uds=path))[0].close()
    (new,) = listening_sockets(Place(uds=path))
    remove_path(path)  # as the old server does at its end
    with new, socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
    remove_path(path)
    remove_path(path)
    assert not path.exists()


def test_only_the_owner_reaches_a_path(tmp_path: Path) -> None:
    (one,) = listening_sockets(Place(uds=tmp_path / "socket"))
    with one:
        assert not (tmp_path / "socket").stat().st_mode & 0o022, "who writes may connect"


def test_an_unknown_host_is_named() -> None:
    with pytest.raises(OSError, match="choose another --host") as caught:
        listening_sockets(Place(host="no-such-host.invalid"))
    assert caught.value.filename == "no-such-host.invalid"


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("Example.com:8000", "example.com"),
        ("example.com:", "example.com"),
        ("[::1]:8000", "::1"),
        ("[2001:DB8::1]", "2001:db8::1"),
        ("::1", "::1"),
        ("127.0.0.1", "127.0.0.1"),
        ("example.com:8000:9000", "example.com:8000:9000"),
        ("", ""),
    ],
)
def test_a_host_has_a_name_without_its_port(host: str, name: str) -> None:
    assert host_name(host) == name


def test_a_server_is_reached_by_the_name_of_its_door(tmp_path: Path) -> None:
    arguments = ("demo", "--host", "127.0.0.2", "--port", "0", "--notice", "0")
    with ServerProcess(*arguments) as server, server.client() as client:
        for host, status in (
            ("127.0.0.2:1", 200),
            ("localhost", 200),
            ("127.0.0.3", 400),
            ("evil.example", 400),
        ):
            assert client.get("/health/live", headers={"host": host}).status_code == status
        assert server.end()[0] == 0
    path = str(tmp_path / "keys")
    Path(path).write_text("a-key-that-is-long-enough", "ascii")
    named = ("--allowed-host", "EXAMPLE.com:8000", "--api-key-file", path)
    with ServerProcess(*arguments, *named) as server, server.client() as client:
        for host, status in (("example.com", 200), ("example.com:1", 200), ("127.0.0.2", 400)):
            assert client.get("/health/live", headers={"host": host}).status_code == status
        assert server.end()[0] == 0


HELD_START = """
import os, time, logging, twinlens.http.service.deployment as deployment
read = deployment._read
def held(source):
    logging.getLogger("twinlens.http").info("reading")
    while not os.path.exists(os.environ["GATE"]):
        time.sleep(0.01)
    return read(source)
deployment._read = held
"""
"""Tells each opening of the bundle, and begins it when a file is there."""


def held(gate: Path, *, notice: str = "0") -> ServerProcess:
    """Return a server that waits for `gate` to read its bundle."""
    environment = os.environ | {"GATE": str(gate)}
    return ServerProcess(
        "demo", "--port", "0", "--notice", notice, plant=HELD_START, env=environment
    )


def opened(server: ServerProcess) -> int:
    return sum(isinstance(line, dict) and line.get("text") == "reading" for line in server.lines)


def test_hangups_before_it_is_ready_are_one_reload_after_it(tmp_path: Path) -> None:
    server = held(tmp_path / "gate")
    server.line(lambda line: line.get("text") == "reading")
    for _ in range(5):
        server.process.send_signal(signal.SIGHUP)
    (tmp_path / "gate").touch()
    with server, server.client() as client:
        server.line(lambda line: "opened anew" in str(line.get("text")))
        assert client.post("/v1/embeddings", json={"input": "a"}).status_code == 200
        assert server.end()[0] == 0
    assert opened(server) == 2


def test_the_end_before_it_is_ready_is_an_end_like_any_other(tmp_path: Path) -> None:
    server = held(tmp_path / "gate")
    server.line(lambda line: line.get("text") == "reading")
    server.process.send_signal(signal.SIGTERM)
    (tmp_path / "gate").touch()
    assert server.ended() == (0, "answered 0 requests, 0 accepted and not answered\n")
    odd = [line for line in server.lines if not isinstance(line, dict) or line["level"] != "info"]
    assert odd == []


def test_hangups_while_it_drains_open_nothing(tmp_path: Path) -> None:
    (tmp_path / "gate").touch()
    with held(tmp_path / "gate", notice="0.3") as server:
        server.process.send_signal(signal.SIGTERM)
        server.line(lambda line: str(line.get("text")).startswith("draining"))
        assert server.end(signal.SIGHUP)[0] == 0
    assert opened(server) == 1
