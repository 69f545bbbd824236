"""The systemd units: verified by systemd itself, and hardened."""

import configparser
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

UNITS = Path(__file__).parents[2] / "examples" / "systemd"
COMMAND = "/opt/twinlens/bin/twinlens"


def read_unit(name: str) -> configparser.ConfigParser:
    """Read a unit whose keys are each given once, but for system call filters."""
    parser = configparser.ConfigParser(strict=False, interpolation=None, delimiters=("=",))
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read_string((UNITS / name).read_text(encoding="utf-8"))
    return parser


@pytest.fixture
def analyze(tmp_path: Path) -> str:
    """systemd-analyze; the units are copied to tmp_path with a command that exists."""
    found = shutil.which("systemd-analyze")
    if found is None:
        pytest.skip("systemd-analyze is not installed")
    for unit in UNITS.iterdir():
        text = unit.read_text(encoding="utf-8").replace(COMMAND, sys.executable)
        (tmp_path / unit.name).write_text(text, encoding="utf-8")
    return found


def test_systemd_finds_no_fault(analyze: str, tmp_path: Path) -> None:
    paths = sorted(str(tmp_path / unit.name) for unit in UNITS.iterdir())
    done = subprocess.run(
        [analyze, "verify", "--man=no", "--recursive-errors=one", *paths],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")


def test_systemd_holds_the_service_to_be_safe(analyze: str, tmp_path: Path) -> None:
    # 0 is no exposure, 10 that of a service without any of these directives (9.6).
    done = subprocess.run(
        [analyze, "security", "--offline=true", "--threshold=15", tmp_path / "twinlens.service"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-200:]


def test_the_socket_starts_the_service_and_the_service_needs_the_socket() -> None:
    socket, service = read_unit("twinlens.socket"), read_unit("twinlens.service")
    assert service["Unit"]["Requires"] == service["Unit"]["After"] == "twinlens.socket"
    assert socket["Socket"]["ListenStream"].startswith("127.0.0.1:")
    assert socket["Install"]["WantedBy"] == "sockets.target"


def test_a_stop_leaves_time_to_answer_and_a_reload_is_a_hangup() -> None:
    service = read_unit("twinlens.service")["Service"]
    assert service["KillSignal"] == "SIGTERM"
    assert int(service["TimeoutStopSec"]) >= 20
    assert service["ExecReload"] == "/bin/kill -HUP $MAINPID"
    assert "143" in service["SuccessExitStatus"]  # 128 + SIGTERM


def test_memory_that_is_written_is_never_run() -> None:
    # MemoryDenyWriteExecute forbids both at once; a runtime that compiles at run time would end.
    assert read_unit("twinlens.service")["Service"]["MemoryDenyWriteExecute"] == "yes"
    code = (
        "import ctypes, sys\n"
        "if ctypes.CDLL(None).prctl(65, 1, 0, 0, 0): sys.exit(77)\n"  # PR_SET_MDWE
        "import twinlens, uvicorn, uvloop, httptools\n"
        "rows = twinlens.load('demo', threads=1).embed_texts(['a dog'])\n"
        "sys.exit(rows.shape != (1, 192))"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode == 77:
        pytest.skip("this kernel has no PR_SET_MDWE")
    assert done.returncode == 0, done.stderr[-500:]
