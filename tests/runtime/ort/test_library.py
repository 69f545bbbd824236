import subprocess
import sys

import pytest
from imitated_cuda import imitate_wheels

from twinlens.errors import ProviderError
from twinlens.ort.device import CPU
from twinlens.ort.device_choice import resolve
from twinlens.ort.distributions import installed_distributions


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
