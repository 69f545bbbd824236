# ruff: noqa: ANN401, ARG002, N802 - the functions are those of a C library
import ctypes
from typing import Any

import pytest

from twinlens.errors import ProviderError
from twinlens.ort.cuda.driver import Driver, read_driver


class FakeDriver:
    """Functions of libcuda.so.1."""

    def __init__(self, *, version: int = 13000, gpus: tuple[str, ...] = (), code: int = 0) -> None:
        self.version, self.gpus, self.code = version, gpus, code

    def cuInit(self, flags: int) -> int:
        return self.code

    def cuDriverGetVersion(self, found: Any) -> int:
        found._obj.value = self.version
        return 0

    def cuDeviceGetCount(self, found: Any) -> int:
        found._obj.value = len(self.gpus)
        return 0

    def cuDeviceGet(self, found: Any, number: int) -> int:
        found._obj.value = 100 + number
        return 0

    def cuDeviceGetName(self, name: Any, size: int, device: ctypes.c_int) -> int:
        name.value = self.gpus[device.value - 100].encode()[: size - 1]
        return 0


def test_a_driver_tells_its_cuda_and_its_gpus() -> None:
    fake = FakeDriver(version=12080, gpus=("NVIDIA H100", "NVIDIA A10"))
    assert read_driver(fake) == Driver(cuda=(12, 8), gpus=("NVIDIA H100", "NVIDIA A10"))


@pytest.mark.parametrize(
    ("code", "cure"),
    [
        (34, "code 34; .* stub of the toolkit: take its folder out of LD_LIBRARY_PATH"),
        (100, "code 100; it sees no GPU: see what nvidia-smi lists, and what CUDA_VISIBLE_DEVICES"),
        (803, "code 803; its library and its kernel module are of two versions: restart"),
        (999, "code 999; see whether nvidia-smi works"),
    ],
)
def test_a_driver_that_fails_is_an_error_with_the_cure(code: int, cure: str) -> None:
    with pytest.raises(ProviderError, match=f"NVIDIA's driver fails with {cure}"):
        read_driver(FakeDriver(code=code))


def test_a_driver_without_a_gpu_is_an_error_with_the_cure() -> None:
    with pytest.raises(ProviderError, match="it sees no GPU"):
        read_driver(FakeDriver(gpus=()))


def test_a_library_that_is_no_driver_is_an_error_with_the_cure() -> None:
    with pytest.raises(ProviderError, match=r"is not NVIDIA's driver .*cuInit.*; install NVIDIA's"):
        read_driver(object())


def test_no_driver_is_an_error_with_the_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    def lost(name: str) -> None:
        raise OSError(f"{name}: cannot open shared object file: No such file or directory")

    monkeypatch.setattr(ctypes, "CDLL", lost)
    with pytest.raises(
        ProviderError, match=r"there is no NVIDIA driver \(libcuda.so.1: cannot .*--gpus all"
    ):
        read_driver()
