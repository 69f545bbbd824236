import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from imitated_cuda import imitate_wheels

from twinlens.errors import ProviderError
from twinlens.ort.device import CPU
from twinlens.ort.device_choice import resolve
from twinlens.ort.distributions import installed_distributions
from twinlens.ort.library import TELEMETRY, _disable_telemetry, onnxruntime


def test_onnxruntime_is_imported_at_first_use() -> None:
    code = (
        "import sys, twinlens, twinlens.ort.session, twinlens.ort.library as door; "
        "assert 'onnxruntime' not in sys.modules; "
        "assert door.onnxruntime() is sys.modules['onnxruntime']"
    )
    subprocess.run([sys.executable, "-I", "-c", code], check=True)


def test_both_wheels_at_once_are_an_error_with_the_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    imitate_wheels(monkeypatch, "onnxruntime", "onnxruntime-gpu")
    assert installed_distributions() == {"onnxruntime": "1.99", "onnxruntime-gpu": "1.99"}
    for device in ("cpu", "auto", "cuda"):
        with pytest.raises(
            ProviderError,
            match=r"both installed and own the same files; run: pip uninstall -y onnxruntime "
            r"onnxruntime-gpu, then install one of twinlens\[cpu\] and twinlens\[gpu\]",
        ):
            resolve(device)


def test_no_wheel_is_an_error_with_the_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    imitate_wheels(monkeypatch)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert installed_distributions() == {}
    for device in ("cpu", "auto", "cuda"):
        with pytest.raises(
            ProviderError,
            match=r"cannot be imported .*; install twinlens\[cpu\] or twinlens\[gpu\]",
        ):
            resolve(device)


def test_a_wheel_of_another_name_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    imitate_wheels(monkeypatch)
    assert resolve("cpu") == CPU


def home_after(code: str, home: Path, **variables: str) -> list[str]:
    """Run code in a process of its own with an empty home, and return the files then in it."""
    names = ("HOME", "USERPROFILE", "XDG_CACHE_HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME")
    rest = {name: os.environ[name] for name in os.environ if not name.startswith("ORT_")}
    environment = {**rest, **dict.fromkeys(names, str(home)), **variables}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)
    return sorted(str(path.relative_to(home)) for path in home.rglob("*"))


LOAD = "import twinlens; twinlens.load('demo', device='cpu').embed_texts(['a dog']); "


def test_an_empty_home_stays_empty(tmp_path: Path) -> None:
    assert home_after(LOAD, tmp_path) == []
    command = "from twinlens.__main__ import main; assert main(['doctor']) == 0"
    assert home_after(command, tmp_path) == []


@pytest.fixture
def fresh() -> Iterator[None]:
    """The choice is made once in a process; here anew."""
    _disable_telemetry.cache_clear()
    yield
    _disable_telemetry.cache_clear()


@pytest.mark.usefixtures("fresh")
@pytest.mark.parametrize("value", ["0", "1", ""])
def test_a_choice_of_the_user_stays(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "onnxruntime")
    monkeypatch.setenv(TELEMETRY, value)
    _disable_telemetry()
    assert os.environ[TELEMETRY] == value
    monkeypatch.delenv(TELEMETRY)
    _disable_telemetry.cache_clear()
    _disable_telemetry()
    assert os.environ[TELEMETRY] == "1"


@pytest.mark.usefixtures("fresh")
def test_an_earlier_import_of_onnxruntime_is_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv(TELEMETRY, raising=False)
    with caplog.at_level("INFO"):
        assert onnxruntime() is sys.modules["onnxruntime"] is onnxruntime()
    assert TELEMETRY not in os.environ
    assert caplog.text.count("onnxruntime was imported before twinlens and may send telemetry") == 1
