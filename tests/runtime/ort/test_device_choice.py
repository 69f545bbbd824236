import logging
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import onnxruntime
import pytest
from imitated_cuda import imitate_gpu_wheel

from twinlens.bundle.bundle import Bundle
from twinlens.errors import ProviderError
from twinlens.ort.device import CPU, Device
from twinlens.ort.device_choice import probe, resolve
from twinlens.ort.session import Session

CPU_ONLY = "CUDAExecutionProvider" not in onnxruntime.get_available_providers()
cpu_wheel = pytest.mark.skipif(not CPU_ONLY, reason="the wheel of onnxruntime installed has CUDA")


@pytest.mark.parametrize("name", ["cpu", "auto"])
def test_the_cpu_is_always_there(name: str) -> None:
    if CPU_ONLY or name == "cpu":
        assert resolve(name) == CPU
        assert str(resolve(name)) == "cpu"
    probe(CPU)


@pytest.mark.parametrize(
    "name", ["", "gpu", "CPU", "cuda:", "cuda:-1", "cuda:x", "cuda:1:2", "cpu:0", " cpu", "cpu\n"]
)
def test_a_name_that_means_no_device_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"device is .*, not 'auto', 'cpu', 'cuda' or 'cuda:1'"):
        resolve(name)


@cpu_wheel
@pytest.mark.parametrize(("name", "shown"), [("cuda", "cuda:0"), ("cuda:3", "cuda:3")])
def test_cuda_on_a_cpu_wheel_is_an_error_with_the_cure(name: str, shown: str) -> None:
    with pytest.raises(
        ProviderError,
        match=rf"asked for {shown}, but onnxruntime \d.* has no CUDAExecutionProvider; "
        r"run: pip uninstall -y onnxruntime, then pip install 'twinlens\[gpu\]', or open with",
    ):
        resolve(name)


@cpu_wheel
def test_auto_says_why_it_is_the_cpu(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "twinlens"):
        resolve("auto")
    assert "device 'auto' is the CPU: the onnxruntime wheel installed has no CUDA" in caplog.text


def test_auto_warns_if_cuda_is_installed_and_fails(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("libcudnn.so.9: no such file")

    imitate_gpu_wheel(monkeypatch, InferenceSession=fail)
    with caplog.at_level(logging.INFO, "twinlens"):
        assert resolve("auto") == CPU
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "is the CPU, although the CUDA wheel is installed" in record.message
    assert "libcudnn.so.9: no such file" in record.message
    with pytest.raises(
        ProviderError, match="the probe of cuda:1 cannot be opened on cuda:1: libcu"
    ):
        resolve("cuda:1")


def test_a_silent_fall_back_to_the_cpu_is_an_error(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    asked: list[object] = []

    def fall_back(program: bytes, options: object, **arguments: object) -> object:
        asked.append(arguments)
        return SimpleNamespace(get_providers=lambda: ["CPUExecutionProvider"])

    imitate_gpu_wheel(
        monkeypatch,
        InferenceSession=fall_back,
        preload_dlls=lambda: sys.stdout.write("Failed to load libcudnn.so.9\n"),
    )
    with pytest.raises(
        ProviderError,
        match=r"asked for cuda:0, but the probe of cuda:0 runs on CPUExecutionProvider; "
        r"check the CUDA and cuDNN libraries \(twinlens doctor\) or open with device='cpu'",
    ):
        resolve("cuda")
    assert capfd.readouterr() == ("", "")
    ((name, options),) = asked[0]["providers"]  # type: ignore[index]
    assert (name, options["device_id"]) == ("CUDAExecutionProvider", "0")


@pytest.mark.gpu
@pytest.mark.skipif(CPU_ONLY, reason="the wheel of onnxruntime installed has no CUDA")
def test_cuda_is_cuda(bundle: Bundle) -> None:
    device = resolve("cuda")
    assert device == resolve("auto") == Device(kind="cuda")
    path = bundle.path("onnx/text_model.onnx")
    on_cuda, on_cpu = (
        Session(path, device=place, threads=1, name="the text tower").run(
            {"input_ids": np.array([[3, 5, 7]])}, "text_embeds"
        )
        for place in (device, CPU)
    )
    np.testing.assert_allclose(on_cuda, on_cpu, atol=1e-6)
    with pytest.raises(ProviderError, match="cuda:99"):
        resolve("cuda:99")


def test_nothing_is_printed_and_no_logging_is_configured() -> None:
    code = (
        "import logging, twinlens.ort.device_choice as s; s.probe(s.resolve('auto')); "
        "assert not logging.getLogger().handlers and not logging.getLogger('twinlens').handlers"
    )
    run = subprocess.run([sys.executable, "-I", "-c", code], check=True, capture_output=True)
    assert (run.stdout, run.stderr) == (b"", b"")
