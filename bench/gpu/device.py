"""Device that the checks run on: its limits, and the facts that say whose figures these are."""

import subprocess
from collections.abc import Callable
from importlib import import_module
from types import ModuleType

from bench.harness.machine import commit, installed, processor, versions
from bench.harness.timing import median_and_p95
from twinlens.ort.device import Device
from twinlens.threads import usable_threads
from twinlens_kernels import NATIVE

PACKAGES = ("numpy", "onnx", "onnxruntime", "onnxruntime-gpu", "torch", "cupy-cuda13x", "triton")


def peer(name: str) -> ModuleType | None:
    """Import a library, if it is installed."""
    return import_module(name) if installed(name) else None


def torch_name(device: Device) -> str:
    """Return torch's name of a device."""
    return "cpu" if device.kind == "cpu" else str(device)


def synchronize(torch: ModuleType, device: Device) -> None:
    """Wait until the device has done all that it was given."""
    if device.kind == "cuda":
        torch.cuda.synchronize()


def per_second(act: Callable[[], object], amount: float) -> float:
    """Return the amount that an act does in a second, by the median of 20."""
    return amount / (median_and_p95(act, 20)["ms"] / 1e3)


def bandwidth(torch: ModuleType | None, device: Device, n_bytes: int) -> float | None:
    """Return the bytes read and written a second by a copy in the device's memory."""
    if torch is None:
        return None
    source = torch.ones(n_bytes, dtype=torch.uint8, device=torch_name(device))
    target = torch.empty_like(source)

    def copy() -> None:
        target.copy_(source)
        synchronize(torch, device)

    return per_second(copy, 2 * n_bytes)


def peak_flops(torch: ModuleType, device: Device, width: int) -> float:
    """Return the FLOP/s of a product of two square half-precision matrices."""
    left = torch.randn(width, width, device=torch_name(device)).to(torch.float16)
    right = torch.randn(width, width, device=torch_name(device)).to(torch.float16)

    def multiply() -> None:
        torch.mm(left, right)
        synchronize(torch, device)

    return per_second(multiply, 2 * width**3)


def device_facts(device: Device) -> dict[str, object]:
    """Return the commit, the names of the device and the versions."""
    name = processor()
    if device.kind == "cuda":
        asked = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
        name = subprocess.run(asked, check=True, capture_output=True, text=True).stdout.strip()
    return {
        "commit": commit(),
        "device": name,
        "native_kernels": NATIVE,
        "host_threads": usable_threads(),
        "versions": versions(PACKAGES),
    }
