"""Beginning, change and end of a real server: nothing that was accepted is lost."""

import json
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, Self

import httpx
import pytest
from http_servers import PATIENCE_S, ServerProcess
from raw_http import posted, status_of

from twinlens import Index, Model
from twinlens.bundle.bundle import MANIFEST
from twinlens.loading import folder_of

TEXTS = ["a dog", "a slice of pizza", "a red car"]


def over(place: Path) -> httpx.Client:
    """Return a client of a unix socket."""
    transport = httpx.HTTPTransport(uds=str(place))
    return httpx.Client(transport=transport, base_url="http://socket", timeout=PATIENCE_S)


class Load:
    """Threads that ask a server without a pause until they are told to stop."""

    def __init__(self, client: httpx.Client, body: dict[str, Any], *, threads: int = 4) -> None:
        self.statuses: list[int] = []
        self.errors: list[Exception] = []
        self._client, self._body = client, body
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(threads)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def wait_for(self, count: int) -> None:
        """Wait until so many more answers have come."""
        end, wanted = time.monotonic() + PATIENCE_S, len(self.statuses) + count
        while len(self.statuses) < wanted:
            assert time.monotonic() < end
            assert not self.errors, self.errors
            time.sleep(0.005)

    def _ask(self) -> None:
        while not self._over.is_set():
            try:
                answer = self._client.post("/v1/embeddings", json=self._body)
                self.statuses.append(answer.status_code)
            except httpx.HTTPError as error:
                self.errors.append(error)
                return


def test_sigterm_under_load_loses_nothing(tmp_path: Path) -> None:
    place = tmp_path / "socket"
    # Within the notice come two answers on health and eight of the load, if the machine is crowded.
    arguments = ("demo", "--uds", str(place), "--notice", "4", "--timeout", "60", "--json")
    with ServerProcess(*arguments) as server:
        with over(place) as client, Load(client, {"input": TEXTS}) as load:
            load.wait_for(20)
            server.process.send_signal(signal.SIGTERM)
            server.line(lambda line: str(line.get("text")).startswith("draining"))
            # A balancer sees this, and sends no more; what is under way goes on.
            assert client.get("/health/ready").status_code == 503
            assert client.get("/health/live").status_code == 200
            load.wait_for(8)
        code, out = server.ended()
    assert not load.errors
    assert set(load.statuses) == {200}
    assert json.loads(out)["left_over"] == 0
    assert json.loads(out)["answered"] == len(load.statuses) + 2
    assert code == 0
    assert not place.exists()


SLOW = """
import time, twinlens.model.model as model
embed = model.Model.embed_tokens
def slow(self, tokens, **named):
    if len(tokens) == 3:
        time.sleep({seconds})
    return embed(self, tokens, **named)
model.Model.embed_tokens = slow
"""


@contextmanager
def asked(place: Path) -> Iterator[Future[httpx.Response]]:
    """Send a request, and wait until it is at work."""
    with over(place) as client, ThreadPoolExecutor(1) as pool:
        answer = pool.submit(client.post, "/v1/embeddings", json={"input": TEXTS})
        while "twinlens_requests_in_progress 2.0" not in client.get("/metrics").text:
            assert not answer.done()
        yield answer


def test_a_request_at_work_when_the_door_closes_is_answered(tmp_path: Path) -> None:
    place = tmp_path / "socket"
    arguments = ("demo", "--uds", str(place), "--notice", "0", "--timeout", "60")
    with ServerProcess(*arguments, plant=SLOW.format(seconds=0.5)) as server:
        with asked(place) as answer:
            server.process.send_signal(signal.SIGTERM)
            assert answer.result().status_code == 200
        code, out = server.ended()
    assert "0 accepted and not answered" in out
    assert code == 0


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="no signal stops a process here")
def test_requests_that_lie_unread_at_the_signal_are_answered() -> None:
    """As when the event loop lags by more than the notice; connections are old, new, half read."""
    body = b'{"input": "a dog"}'
    request = posted(body, f"content-length: {len(body)}")
    arguments = ("demo", "--port", "0", "--notice", "0", "--timeout", "60")
    with ExitStack() as stack:
        server = stack.enter_context(ServerProcess(*arguments))

        def connections(count: int) -> list[socket.socket]:
            return [stack.enter_context(server.connect()) for _ in range(count)]

        old = connections(24)
        for one in old:
            one.sendall(request)
            assert status_of(one.recv(1 << 16)) == 200
        half = connections(4)
        for one in half:
            one.sendall(request[:40])
        old[0].sendall(request)  # its answer tells that the halves before it were read
        assert status_of(old[0].recv(1 << 16)) == 200
        server.process.send_signal(signal.SIGSTOP)
        server.process.send_signal(signal.SIGTERM)
        new = connections(24)
        for one in old + new:
            one.sendall(request)
        server.process.send_signal(signal.SIGCONT)
        server.line(lambda line: str(line.get("text")).startswith("draining"))
        for one in half:
            one.sendall(request[40:])
        statuses = [status_of(one.recv(1 << 16) or b"HTTP/1.1 0") for one in old + new + half]
        code, out = server.ended()
    assert set(statuses) == {200}
    assert "answered 77 requests, 0 accepted and not answered" in out
    assert code == 0


READ_ONLY = 'mount -o remount,ro,bind / && exec "$@"'
ALONE = (
    *("unshare", "--user", "--map-root-user", "--pid", "--fork", "--mount", "--mount-proc"),
    *("sh", "-c", READ_ONLY, "sh"),
)
"""Command under which another is the first process of its namespace, on a disk of which it can
write nothing: as in a container without an init."""


def can_be_alone() -> bool:
    with suppress(OSError):
        return subprocess.run([*ALONE, "true"], capture_output=True, check=False).returncode == 0
    return False


@pytest.mark.skipif(not can_be_alone(), reason="this system gives no namespaces")
def test_the_first_process_on_a_read_only_disk_serves_and_drains() -> None:
    arguments = ("demo", "--port", "0", "--notice", "0", "--json")
    with ServerProcess(*arguments, under=ALONE) as server, server.client() as client:
        assert client.post("/v1/embeddings", json={"input": TEXTS}).status_code == 200
        pid = server.process.pid
        (child,) = Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()
        assert Path(f"/proc/{child}/status").read_text("ascii").split("NSpid:")[1].split()[1] == "1"
        os.kill(int(child), signal.SIGTERM)
        code, out = server.ended()
    assert (code, json.loads(out)["left_over"]) == (0, 0)


def test_a_request_that_outlasts_the_drain_is_told_and_counted(tmp_path: Path) -> None:
    place = tmp_path / "socket"
    arguments = ("demo", "--uds", str(place), "--notice", "0", "--drain", "1", "--timeout", "60")
    with ServerProcess(*arguments, plant=SLOW.format(seconds=2)) as server:
        with asked(place) as answer:
            server.process.send_signal(signal.SIGTERM)
            assert answer.result().status_code == 503
            assert answer.result().json()["error"]["code"] == "draining"
        code, out = server.ended()
    assert "1 accepted and not answered" in out
    assert code == 1


def test_a_second_signal_ends_at_once(tmp_path: Path) -> None:
    plant = "import twinlens.http.server.server as server; server.DOUBLED_S = 0"
    arguments = ("demo", "--uds", str(tmp_path / "socket"), "--notice", "3600")
    with ServerProcess(*arguments, plant=plant) as server:
        server.process.send_signal(signal.SIGTERM)
        server.line(lambda line: str(line.get("text")).startswith("draining"))
        assert server.end(signal.SIGTERM)[0] == 128 + signal.SIGTERM


def test_one_signal_that_comes_twice_is_one(tmp_path: Path) -> None:
    place = str(tmp_path / "socket")
    with ServerProcess("demo", "--uds", place, "--notice", "0") as server:
        server.process.send_signal(signal.SIGTERM)
        assert server.end(signal.SIGTERM)[0] == 0


def test_an_interruption_drains_and_exits_with_130(tmp_path: Path) -> None:
    place = str(tmp_path / "socket")
    with ServerProcess("demo", "--uds", place, "--notice", "0", "--log", "json") as server:
        assert server.end(signal.SIGINT)[0] == 130
    assert not [line for line in server.lines if isinstance(line, str)]


@pytest.fixture
def linked(tmp_path: Path, uncalibrated: Path) -> Callable[[str], Path]:
    """Points a link at a good bundle, at another one without calibration, or at a broken one."""
    shutil.copytree(folder_of("demo"), tmp_path / "first")
    shutil.copytree(folder_of("demo"), tmp_path / "broken")
    (tmp_path / "broken" / MANIFEST).write_text("{}", "utf-8")
    uncalibrated.rename(tmp_path / "second")

    def link(name: str) -> Path:
        (tmp_path / "next").symlink_to(tmp_path / name)
        (tmp_path / "next").rename(tmp_path / "current")
        return tmp_path / "current"

    return link


def test_sighup_changes_the_bundle_under_load_and_a_bad_one_changes_nothing(
    linked: Callable[[str], Path], tmp_path: Path, uris: list[str]
) -> None:
    (tmp_path / "keys").write_text("the-first-key-of-all\n", "ascii")
    arguments = ("--port", "0", "--timeout", "60", "--api-key-file", str(tmp_path / "keys"))
    pair = {"pairs": [{"image": uris[0], "text": "a dog"}]}
    with ServerProcess(str(linked("first")), *arguments, "--notice", "0") as server:

        def reload(word: str) -> None:
            seen = len(server.lines)
            server.process.send_signal(signal.SIGHUP)
            server.line(lambda line: word in str(line.get("text")), after=seen)

        bearer = {"authorization": "Bearer the-first-key-of-all"}
        with (
            server.client(headers=bearer) as client,
            Load(client, {"input": TEXTS, "model": "current"}) as load,
        ):
            assert client.post("/match", json=pair).status_code == 200
            linked("broken")
            reload("the reload failed")
            load.wait_for(10)
            assert client.post("/match", json=pair).status_code == 200
            linked("second")
            reload("opened anew")
            load.wait_for(10)
            assert client.post("/match", json=pair).status_code == 409
        assert not load.errors
        assert set(load.statuses) == {200}
        (tmp_path / "keys").write_text("the-second-key-of-all\n", "ascii")
        reload("opened anew")
        with server.client() as client:
            for key, status in (("first", 401), ("second", 200)):
                bearer = {"authorization": f"Bearer the-{key}-key-of-all"}
                assert client.get("/v1/models", headers=bearer).status_code == status
        assert server.end()[0] == 0


DYING = """
import os, twinlens.serving.working.workers as workers
embed = workers.embed_run
def fragile(*given, **named):
    if os.path.exists({place!r}):
        raise SystemExit("this worker dies")
    return embed(*given, **named)
workers.embed_run = fragile
"""


def test_a_worker_that_dies_is_an_error_of_its_request_and_no_end(tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    arguments = ("demo", "--port", "0", "--timeout", "60", "--notice", "0")
    with ServerProcess(*arguments, plant=DYING.format(place=str(trap))) as server:
        with server.client() as client:

            def ask() -> tuple[int, str | None]:
                answer = client.post("/v1/embeddings", json={"input": "a dog"})
                error = answer.json().get("error", {})
                assert "this worker dies" not in answer.text
                return answer.status_code, error.get("code")

            assert ask() == (200, None)
            trap.touch()
            assert ask() == (500, "internal_error")
            trap.unlink()
            assert ask() == (200, None), "another worker has taken its place"
            assert client.get("/health/ready").status_code == 200
            trap.touch()
            codes = [ask() for _ in range(12)]
            assert set(codes) == {(500, "internal_error"), (503, "closed")}
            assert codes[-1] == (503, "closed"), "no worker is left"
            assert client.get("/health/ready").status_code == 503
            answer = client.get("/health/live")
            assert (answer.status_code, answer.json()["error"]["code"]) == (503, "workers_dead")
        assert server.end()[0] == 0


def test_a_second_server_does_not_take_the_socket_of_the_first(tmp_path: Path) -> None:
    place = tmp_path / "socket"
    with ServerProcess("demo", "--uds", str(place), "--notice", "0") as first:
        second = ServerProcess("demo", "--uds", str(place))
        assert second.ended()[0] == 1
        assert "another server listens there" in str(second.lines)
        with over(place) as client:
            assert client.get("/health/ready").status_code == 200
        assert first.end(signal.SIGKILL)[0] == -signal.SIGKILL
    assert place.exists(), "it was killed"
    with ServerProcess("demo", "--uds", str(place), "--notice", "0") as third:
        with over(place) as client:
            assert client.get("/health/ready").status_code == 200
        assert third.end()[0] == 0


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    """A socket that listens before there is a server."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        yield found


@pytest.mark.parametrize("way", ["fd", "systemd"])
def test_a_request_that_comes_before_the_server_is_answered(
    listening: socket.socket, tmp_path: Path, way: str
) -> None:
    number, notified = listening.fileno(), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    notified.bind(str(tmp_path / "notify"))
    notified.settimeout(PATIENCE_S)
    plant, arguments = "", ["--fd", str(number)]
    if way == "systemd":
        plant, arguments = (
            (
                f"import os; os.dup2({number}, 3); os.set_inheritable(3, True); "
                "os.environ |= {'LISTEN_FDS': '1', 'LISTEN_PID': str(os.getpid())}"
            ),
            [],
        )
    with (
        notified,
        socket.create_connection(listening.getsockname(), timeout=PATIENCE_S) as early,
        ServerProcess(
            "demo", *arguments, "--notice", "0", plant=plant, pass_fds=(number,),
            env=os.environ | {"NOTIFY_SOCKET": str(tmp_path / "notify")},
        ) as server,
    ):  # fmt: skip
        early.sendall(b"GET /v1/models HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
        assert early.recv(65536).startswith(b"HTTP/1.1 200")
        assert notified.recv(100) == b"READY=1"
        assert server.end()[0] == 0
        assert notified.recv(100) == b"STOPPING=1"


def test_an_index_is_read_anew_with_the_bundle(
    tmp_path: Path, model: Model, pictures: list[bytes]
) -> None:
    folder, rows = tmp_path / "drawings.index", model.embed_images(pictures)
    Index.write(folder, rows[:1], ids=["old"], about=model.about)
    arguments = ("demo", "--index", str(folder), "--port", "0", "--notice", "0")
    with ServerProcess(*arguments) as server, server.client() as client:

        def found() -> list[str]:
            answer = client.post("/search", json={"texts": ["a"], "k": 9}).json()
            return sorted(hit["id"] for hit in answer["results"][0]["hits"])

        assert found() == ["old"]
        Index.write(folder, rows[1:3], ids=["new", "newer"], about=model.about)
        server.process.send_signal(signal.SIGHUP)
        server.line(lambda line: "opened anew" in str(line.get("text")))
        assert found() == ["new", "newer"]
        assert server.end()[0] == 0
