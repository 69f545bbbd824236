"""Broken installations, imitated: the errors of `resolve` and the doctor, with their cures.

The messages are those of onnxruntime 1.31.1 and of the loader where that part is missing.
"""

import argparse
import ctypes
import importlib.metadata
import logging
import os
import sys
from pathlib import Path

import onnxruntime
import pytest
from half_demo import half_demo
from imitated_cuda import (
    CUDA,
    imitate_gpu,
    imitate_gpu_wheel,
    imitate_onnxruntime,
    provider_library,
)

from twinlens.commands import doctor
from twinlens.errors import ProviderError
from twinlens.ort.cuda import installation
from twinlens.ort.cuda.driver import Driver
from twinlens.ort.cuda.installation import cure_of
from twinlens.ort.device_choice import resolve

linux = pytest.mark.skipif(sys.platform != "linux", reason="these libraries are those of Linux")

NEEDS = ("libcublasLt.so.13", "libcublas.so.13", "libcudart.so.13", "libcuda.so.1", "libc.so.6")
VERSION, CDLL = importlib.metadata.version, ctypes.CDLL
DRIVER = Driver(cuda=(13, 0), gpus=("Imitation",))


def imitate_versions(monkeypatch: pytest.MonkeyPatch, **versions: str) -> None:
    """Install these wheels of onnxruntime, and leave all other packages as they are."""

    def version(name: str) -> str:
        if not name.startswith("onnxruntime"):
            return VERSION(name)
        if name.replace("-", "_") not in versions:
            raise importlib.metadata.PackageNotFoundError(name)
        return versions[name.replace("-", "_")]

    monkeypatch.setattr(importlib.metadata, "version", version)


def imitate_installation(
    monkeypatch: pytest.MonkeyPatch,
    folder: Path,
    *,
    lost: tuple[str, ...] = (),
    driver: Driver = DRIVER,
    provider: bool = True,
) -> None:
    """A GPU wheel for CUDA 13.0 on a machine that lacks these libraries."""
    if provider:
        provider_library(folder, *NEEDS)

    def load(name: str) -> object:
        if name in lost:
            raise OSError(f"{name}: cannot open shared object file: No such file or directory")
        return None

    monkeypatch.setattr(ctypes, "CDLL", load)
    monkeypatch.setattr(installation, "read_driver", lambda: driver)
    imitate_versions(monkeypatch, onnxruntime_gpu="1.31.1")
    imitate_onnxruntime(
        monkeypatch,
        get_available_providers=lambda: [CUDA, "CPUExecutionProvider"],
        preload_dlls=lambda: None,
        __file__=str(folder / "__init__.py"),
        cuda_version="13.0",
    )


def examined(
    capsys: pytest.CaptureFixture[str], bundle: str | Path = "demo"
) -> tuple[int, list[str]]:
    """Exit code and lines of the doctor."""
    outcome = doctor.run(argparse.Namespace(bundle=os.fspath(bundle)))
    assert capsys.readouterr() == ("", "")
    return outcome.code, list(outcome.lines)


def test_the_wheel_for_the_cpu_alone(capsys: pytest.CaptureFixture[str]) -> None:
    if CUDA in onnxruntime.get_available_providers():
        pytest.skip("the wheel of onnxruntime installed has CUDA")
    code, lines = examined(capsys)
    assert code == 0
    assert "cpu: works" in lines
    (line,) = (line for line in lines if line.startswith("cuda:0: "))
    assert "has no CUDAExecutionProvider; run: pip uninstall -y onnxruntime, then pip" in line
    assert "pip install 'twinlens[gpu]'" in line


def test_both_wheels(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    imitate_versions(monkeypatch, onnxruntime="1.32.0", onnxruntime_gpu="1.31.1")
    code, lines = examined(capsys)
    assert code == 1
    assert "onnxruntime: onnxruntime 1.32.0, onnxruntime-gpu 1.31.1" in lines
    cure = (
        "onnxruntime and onnxruntime-gpu are both installed and own the same files; "
        "run: pip uninstall -y onnxruntime onnxruntime-gpu, then install one of "
        "twinlens[cpu] and twinlens[gpu]"
    )
    assert {f"cpu: {cure}", f"cuda:0: {cure}"} < set(lines)


def test_no_wheel(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    imitate_versions(monkeypatch)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    code, lines = examined(capsys)
    assert code == 1
    assert "onnxruntime: none installed" in lines
    (line,) = (line for line in lines if line.startswith("cuda:0: "))
    assert line.endswith("install twinlens[cpu] or twinlens[gpu]")


BROKEN = {
    "no driver": (
        {"lost": ("libcuda.so.1",)},
        (
            "there is no NVIDIA driver (libcuda.so.1: cannot open shared object file: "
            "No such file or directory); install NVIDIA's driver, or start the container with "
            "its GPUs (docker run --gpus all)"
        ),
    ),
    "no cuBLAS": (
        {"lost": ("libcublasLt.so.13", "libcublas.so.13")},
        (
            "onnxruntime was built for CUDA 13.0 and does not find libcublasLt.so.13, "
            "libcublas.so.13 (libcublasLt.so.13: cannot open shared object file: "
            "No such file or directory; libcublas.so.13: cannot open shared object file: "
            "No such file or directory); "
            "pip install 'twinlens[gpu]' brings them; those of a toolkit must be on LD_LIBRARY_PATH"
        ),
    ),
    "neither libraries nor driver": (
        {"lost": ("libcudart.so.13", "libcuda.so.1")},
        (
            "onnxruntime was built for CUDA 13.0 and does not find libcudart.so.13 "
            "(libcudart.so.13: cannot open shared object file: No such file or directory); "
            "pip install 'twinlens[gpu]' brings them; those of a toolkit must be on LD_LIBRARY_PATH"
        ),
    ),
    "a driver too old": (
        {"driver": Driver(cuda=(12, 8), gpus=("NVIDIA A10",))},
        (
            "the driver of NVIDIA A10 runs CUDA 12.8 and older, but onnxruntime was built for CUDA "
            "13.0; update the driver, or install an onnxruntime-gpu that was built for CUDA 12"
        ),
    ),
    "no provider in the wheel": (
        {"provider": False},
        (
            "onnxruntime's wheel lacks libonnxruntime_providers_cuda.so, although it lists the "
            "provider: another wheel was installed over it; run: pip uninstall -y onnxruntime "
            "onnxruntime-gpu, then pip install 'twinlens[gpu]'"
        ),
    ),
}


@linux
@pytest.mark.parametrize("broken", BROKEN)
def test_a_broken_installation_is_named_with_its_cure(
    broken: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    how, told = BROKEN[broken]
    imitate_installation(monkeypatch, tmp_path, **how)  # type: ignore[arg-type]
    code, lines = examined(capsys)
    assert code == 0
    assert {"onnxruntime: onnxruntime-gpu 1.31.1", "cpu: works", f"cuda:0: {told}"} < set(lines)
    with pytest.raises(ProviderError) as raised:
        resolve("cuda")
    assert str(raised.value) == told
    with caplog.at_level(logging.WARNING, "twinlens"):
        assert str(resolve("auto")) == "cpu"
    assert caplog.messages == [
        f"device 'auto' is the CPU, although the CUDA wheel is installed: {told}"
    ]


@linux
def test_a_gpu_that_is_not_there_is_an_error_that_names_those_that_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    two = Driver(cuda=(13, 1), gpus=("NVIDIA H100", "NVIDIA A10"))
    imitate_installation(monkeypatch, tmp_path, driver=two)
    with pytest.raises(
        ProviderError,
        match="asked for cuda:2, but cuda:0 is NVIDIA H100, cuda:1 is NVIDIA A10; ask for one of",
    ):
        resolve("cuda:2")


CALL = "; GPU=-1 ; hostname=vm ; file=cuda_execution_provider_info.cc ; line=70 ; expr=cudaGet;"


@pytest.mark.parametrize(
    ("said", "cure"),
    [
        (
            (
                'Failed to parse provider option "device_id": CUDA failure 35: '
                f"CUDA driver version is insufficient for CUDA runtime version {CALL}"
            ),
            "NVIDIA's driver is too old for this wheel: update it",
        ),
        (
            f"CUDA failure 100: no CUDA-capable device is detected {CALL}",
            "the driver sees no GPU: see whether nvidia-smi lists one",
        ),
        (f"CUDA failure 101: invalid device ordinal {CALL}", "there is no GPU of that number"),
        (f"CUDA failure 209: no kernel image is available {CALL}", "so old or so new a GPU"),
        (
            (
                "cuDNN is not available. Install cuDNN, update the system library search path, "
                "or set enable_cudnn=0 to force native CUDA paths where available."
            ),
            "cuDNN is missing or does not fit: pip install 'twinlens[gpu]'",
        ),
        ("cuDNN is unavailable for CUDA Execution Provider: ", "cuDNN is missing"),
        ("libcudnn.so.9: cannot open shared object file", "cuDNN is missing"),
        ("CUDNN failure 1001: CUDNN_STATUS_NOT_INITIALIZED ; GPU=0 ;", "cuDNN is missing"),
        (
            (
                "Please install TensorRT libraries as mentioned in the GPU requirements page, make "
                "sure they're in the PATH or LD_LIBRARY_PATH, and that your GPU is supported."
            ),
            "TensorRT is missing: pip install tensorrt",
        ),
        (
            (
                "Failed to load library libonnxruntime_providers_cuda.so with error: "
                "libcublasLt.so.13: cannot open shared object file: No such file or directory"
            ),
            "a library is missing: pip install 'twinlens[gpu]' brings them",
        ),
        ("CUDA failure 719: unspecified launch failure", "twinlens doctor shows what works"),
    ],
)
def test_what_onnxruntime_says_is_told_with_its_cure(
    said: str, cure: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cure_of(said).find(cure) >= 0

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError(said)

    imitate_gpu_wheel(monkeypatch, InferenceSession=fail)
    with pytest.raises(ProviderError) as raised:
        resolve("cuda")
    assert said in str(raised.value)
    assert cure in str(raised.value)
    assert capsys.readouterr() == ("", "")


def test_a_gpu_that_works_is_named_and_the_towers_run_there(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    imitate_gpu(monkeypatch)
    code, lines = examined(capsys, half_demo())
    assert code == 0
    assert {
        "cuda:0: works",
        "cuda:0 is Imitation 0",
        "cuda:1 is Imitation 1",
        "towers on cuda:0: every node",
    } < set(lines)
    told = "towers on cuda:0: not tried, as the demo has none; twinlens doctor BUNDLE tries yours"
    assert told in examined(capsys)[1]


def test_nodes_that_fall_back_are_a_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    imitate_gpu(monkeypatch, on_cpu=("Gather",))
    _, lines = examined(capsys, half_demo())
    (line,) = (line for line in lines if line.startswith("towers on cuda:0: "))
    assert "has nodes that cuda:0 does not run: Gather" in line
