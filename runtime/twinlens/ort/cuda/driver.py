"""NVIDIA's driver: its version and its GPUs, or the cure if it does not work."""

import ctypes
from dataclasses import dataclass
from typing import Any, Final

from twinlens.errors import ProviderError

LIBRARY: Final = "libcuda.so.1"
"""Installed with the driver only; a container gets it from its host."""

NO_DRIVER: Final = (
    "install NVIDIA's driver, or start the container with its GPUs (docker run --gpus all)"
)
_NO_DEVICE: Final = 100
_REASONS: Final = {
    34: "the library in use is a stub of the toolkit: take its folder out of LD_LIBRARY_PATH",
    _NO_DEVICE: "it sees no GPU: see what nvidia-smi lists, and what CUDA_VISIBLE_DEVICES is",
    802: "its GPUs are not ready yet: start nvidia-fabricmanager",
    803: "its library and its kernel module are of two versions: restart the machine",
    804: "the compatibility package in use does not fit this GPU: remove it, or update the driver",
}
"""CUDA's error codes (CUDA driver API, CUresult) as cures."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Driver:
    """A working driver."""

    cuda: tuple[int, int]
    """Newest CUDA version that it runs: major, minor."""
    gpus: tuple[str, ...]
    """Names of its GPUs, by device number."""


def read_driver(library: Any = None) -> Driver:  # noqa: ANN401  a library of ctypes
    """Ask the driver for its version and its GPUs.

    Args:
        library: a stand-in for tests; the driver itself by default.

    Raises:
        ProviderError: there is none, or it does not work; the message has the cure.
    """
    if library is None:
        try:
            library = ctypes.CDLL(LIBRARY)
        except OSError as error:
            raise ProviderError(f"there is no NVIDIA driver ({error}); {NO_DRIVER}") from error
    try:
        return _read(library)
    except AttributeError as error:
        raise ProviderError(f"{LIBRARY} is not NVIDIA's driver ({error}); {NO_DRIVER}") from error


def _read(library: Any) -> Driver:  # noqa: ANN401
    _require(library.cuInit(0))
    version, count = ctypes.c_int(), ctypes.c_int()
    _require(library.cuDriverGetVersion(ctypes.byref(version)))
    _require(library.cuDeviceGetCount(ctypes.byref(count)))
    if not count.value:
        _require(_NO_DEVICE)
    return Driver(
        cuda=(version.value // 1000, version.value % 1000 // 10),
        gpus=tuple(_name(library, number) for number in range(count.value)),
    )


def _name(library: Any, number: int) -> str:  # noqa: ANN401
    device, name = ctypes.c_int(), ctypes.create_string_buffer(256)
    _require(library.cuDeviceGet(ctypes.byref(device), number))
    _require(library.cuDeviceGetName(name, len(name), device))
    return name.value.decode()


def _require(code: int) -> None:
    if code:
        reason = _REASONS.get(code, "see whether nvidia-smi works")
        raise ProviderError(f"NVIDIA's driver fails with code {code}; {reason}")
