import logging
import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnxruntime
import pytest
from imitated_cuda import imitate_gpu_wheel, imitate_onnxruntime

from twinlens.bundle.bundle import Bundle
from twinlens.errors import BundleError, ProviderError
from twinlens.ort.device import CPU, Device
from twinlens.ort.session import Session, probe, resolve

CPU_ONLY = "CUDAExecutionProvider" not in onnxruntime.get_available_providers()
cpu_wheel = pytest.mark.skipif(not CPU_ONLY, reason="the wheel of onnxruntime installed has CUDA")

IDS = {"input_ids": np.array([[3, 5, 7]])}


@pytest.fixture
def text_tower(bundle: Bundle) -> Session:
    return open_tower(bundle)


def open_tower(bundle: Bundle) -> Session:
    path = bundle.path("onnx/text_model.onnx")
    return Session(path, device=CPU, threads=1, name="the text tower")


# Devices.


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
    on_cuda = Session(path, device=device, threads=1, name="the text tower")
    np.testing.assert_allclose(
        on_cuda.run(IDS, "text_embeds"), open_tower(bundle).run(IDS, "text_embeds"), atol=1e-6
    )
    with pytest.raises(ProviderError, match="cuda:99"):
        resolve("cuda:99")


# Programs.


def test_a_program_runs_from_a_file_and_from_bytes(bundle: Bundle, text_tower: Session) -> None:
    content = bundle.path("onnx/text_model.onnx").read_bytes()
    twin = Session(content, device=CPU, threads=2, name="the same")
    rows = text_tower.run(IDS, "text_embeds")
    assert (rows.shape, rows.dtype) == ((1, 3), np.float32)
    np.testing.assert_array_equal(twin.run(IDS, "text_embeds"), rows)


@pytest.mark.parametrize("damage", ["empty", "cut", "text", "missing"])
def test_a_program_that_cannot_be_read_is_a_bundle_error(
    bundle: Bundle, damage: str, capfd: pytest.CaptureFixture[str]
) -> None:
    path = bundle.path("onnx/vision_model.onnx")
    content = path.read_bytes()
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes({"empty": b"", "cut": content[:100], "text": b"hello"}[damage])
    with pytest.raises(BundleError, match=r"the tower cannot be opened: .*; export it again"):
        Session(path, device=CPU, threads=1, name="the tower")
    assert capfd.readouterr() == ("", "")


def test_inputs_and_outputs_are_checked_by_name(text_tower: Session) -> None:
    text_tower.require(inputs={"input_ids"}, outputs={"text_embeds"})
    for inputs, outputs in (
        ({"pixel_values"}, {"text_embeds"}),
        ({"input_ids", "attention_mask"}, {"text_embeds"}),
        (set[str](), {"text_embeds"}),
        ({"input_ids"}, {"image_embeds"}),
    ):
        with pytest.raises(
            BundleError,
            match=r"the text tower maps \['input_ids'\] to \['text_embeds'\], wanted .*; export it",
        ):
            text_tower.require(inputs=inputs, outputs=outputs)


@pytest.mark.parametrize(
    ("feeds", "output"),
    [
        ({"input_ids": np.zeros((2, 3), dtype=np.float32)}, "text_embeds"),
        ({"input_ids": np.zeros((2, 3, 4), dtype=np.int64)}, "text_embeds"),
        ({"ids": np.zeros((2, 3), dtype=np.int64)}, "text_embeds"),
        ({"input_ids": np.zeros((2, 3), dtype=np.int64)}, "rows"),
    ],
)
def test_a_run_that_fails_names_the_tower_and_the_shapes(
    text_tower: Session,
    feeds: dict[str, np.ndarray],
    output: str,
    capfd: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(ProviderError, match=r"the text tower failed on \{'\w+': \[2, \d.*\]\}: "):
        text_tower.run(feeds, output)
    assert capfd.readouterr() == ("", "")


def test_a_node_that_fails_is_raised_and_not_printed(
    programs: dict[str, Any], capfd: pytest.CaptureFixture[str]
) -> None:
    program = Session(programs["pick"].content, device=CPU, threads=1, name="the pick")
    assert program.run({"ids": np.array([1, 0])}, "rows").tolist() == [2, 1]
    with pytest.raises(ProviderError, match=r"the pick failed on \{'ids': \[1\]\}: .*Gather"):
        program.run({"ids": np.array([7])}, "rows")
    assert capfd.readouterr() == ("", "")


def test_inputs_may_lie_on_the_device_and_outputs_come_back(
    text_tower: Session, capfd: pytest.CaptureFixture[str]
) -> None:
    (rows,) = text_tower.run_bound({"input_ids": IDS["input_ids"]}, ("text_embeds",))
    np.testing.assert_array_equal(rows, text_tower.run(IDS, "text_embeds"))
    held = text_tower.upload(np.array([[3, 5, 7], [1, 2, 3]]).T[:, :2].T)
    assert held.shape == (2, 3)
    for _ in range(2):
        (rows,) = text_tower.run_bound({"input_ids": held}, ("text_embeds",))
        assert rows.shape == (2, 3)
    with pytest.raises(ProviderError, match=r"the text tower failed on \{'ids': \[2, 3\]\}: "):
        text_tower.run_bound({"ids": held}, ("text_embeds",))
    assert capfd.readouterr() == ("", "")


def test_a_device_that_takes_no_array_says_how_large_it_was(
    text_tower: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise RuntimeError("out of memory")

    imitate_onnxruntime(monkeypatch, OrtValue=SimpleNamespace(ortvalue_from_numpy=refuse))
    with pytest.raises(
        ProviderError, match="cpu does not take 80 bytes for the text tower: out of memory"
    ):
        text_tower.upload(np.zeros(10))


def test_nothing_is_printed_and_no_logging_is_configured() -> None:
    code = (
        "import logging, twinlens.ort.session as s; s.probe(s.resolve('auto')); "
        "assert not logging.getLogger().handlers and not logging.getLogger('twinlens').handlers"
    )
    run = subprocess.run([sys.executable, "-I", "-c", code], check=True, capture_output=True)
    assert (run.stdout, run.stderr) == (b"", b"")
