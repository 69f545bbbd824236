"""What the checks share: times, limits of the machine, whose figures these are."""

import os
import platform
import statistics
import subprocess
import time
from collections.abc import Callable
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from types import ModuleType

import numpy as np

from twinlens.ort.device import Device
from twinlens.threads import usable_threads
from twinlens_kernels import NATIVE

PACKAGES = ("numpy", "onnx", "onnxruntime", "onnxruntime-gpu", "torch", "cupy-cuda13x", "triton")


def times_ms(act: Callable[[], object], repeats: int) -> list[float]:
    """ms of every call, after two that are not counted."""
    act()
    act()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        act()
        times.append(1e3 * (time.perf_counter() - start))
    return times


def timed(act: Callable[[], object], repeats: int) -> dict[str, float]:
    """Median and 95th percentile."""
    times = times_ms(act, repeats)
    return {
        "ms": round(statistics.median(times), 4),
        "p95_ms": round(float(np.quantile(times, 0.95)), 4),
    }


def peer(name: str) -> ModuleType | None:
    """A library, if it is installed."""
    try:
        return import_module(name)
    except ImportError:
        print(f"{name} is not installed: left out")
        return None


def place(device: Device) -> str:
    """What torch calls a device."""
    return "cpu" if device.kind == "cpu" else str(device)


def wait(torch: ModuleType, device: Device) -> None:
    """Until the device has done all that it was given."""
    if device.kind == "cuda":
        torch.cuda.synchronize()


def bandwidth(torch: ModuleType | None, device: Device, n_bytes: int) -> float | None:
    """Bytes read and written a second by a copy in the device's memory."""
    if torch is None:
        return None
    source = torch.ones(n_bytes, dtype=torch.uint8, device=place(device))
    target = torch.empty_like(source)

    def copy() -> None:
        target.copy_(source)
        wait(torch, device)

    return 2 * n_bytes / (timed(copy, 20)["ms"] / 1e3)


def peak_flops(torch: ModuleType, device: Device, side: int) -> float:
    """Operations a second of a product of two square half-precision matrices."""
    left = torch.randn(side, side, device=place(device)).to(torch.float16)
    right = torch.randn(side, side, device=place(device)).to(torch.float16)

    def multiply() -> None:
        torch.mm(left, right)
        wait(torch, device)

    return 2 * side**3 / (timed(multiply, 20)["ms"] / 1e3)


def machine(device: Device) -> dict[str, object]:
    """Whose figures these are."""
    versions: dict[str, str] = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    name = platform.processor() or platform.machine()
    if device.kind == "cuda":
        asked = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
        name = subprocess.run(asked, check=True, capture_output=True, text=True).stdout.strip()
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], check=False, capture_output=True, text=True
    ).stdout.strip()
    return {
        "commit": commit or os.environ.get("COMMIT", ""),
        "device": name,
        "native_kernels": NATIVE,
        "host_threads": usable_threads(),
        "versions": versions,
    }
