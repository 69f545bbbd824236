"""twinlens serve: each beginning that fails is one line and an exit code."""

import importlib.util
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from twinlens.__main__ import main

TAKEN = "choose another --port"


def failure(capsys: pytest.CaptureFixture[str], *line: str) -> str:
    assert main(["serve", *line]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    return printed.err


def test_without_the_extra_the_cure_is_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    known = importlib.util.find_spec

    def without(name: str) -> object:
        return None if name in {"uvicorn", "msgspec"} else known(name)

    monkeypatch.setattr(importlib.util, "find_spec", without)
    assert failure(capsys, "demo") == (
        "twinlens serve: the service needs msgspec, uvicorn; pip install 'twinlens[serve]'\n"
    )


def test_help_needs_no_extra() -> None:
    code = (
        "import sys; sys.modules |= dict.fromkeys(['starlette', 'uvicorn', 'msgspec'])\n"
        "from twinlens.__main__ import main; main(['serve', '--help'])"
    )
    run = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert "--api-key-file" in run.stdout


def test_a_bundle_that_is_none_ends_the_server(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert "is not a bundle" in failure(capsys, str(tmp_path), "--port", "0")
    assert "is no twinlens index" in failure(
        capsys, "demo", "--index", str(tmp_path), "--port", "0"
    )


def test_a_door_that_cannot_be_opened_is_named(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert f"127.0.0.1:{port}: " in (told := failure(capsys, "demo", "--port", str(port)))
        assert TAKEN in told
    (tmp_path / "file").touch()
    assert "no socket" in failure(capsys, "demo", "--uds", str(tmp_path / "file"))
    assert "descriptor 999" in failure(capsys, "demo", "--fd", "999")
    assert "has no key" in failure(capsys, "demo", "--api-key-file", str(tmp_path / "file"))
    missing = tmp_path / "missing"
    assert str(missing) in failure(capsys, "demo", "--api-key-file", str(missing))


def test_an_address_beside_the_sockets_of_systemd_is_refused(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LISTEN_FDS", "1")
    monkeypatch.setenv("LISTEN_PID", str(os.getpid()))
    with pytest.raises(SystemExit, match="2"):
        main(["serve", "demo", "--host", "127.0.0.1"])
    assert "beside the sockets of systemd" in capsys.readouterr().err
