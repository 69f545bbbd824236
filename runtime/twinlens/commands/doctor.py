"""twinlens doctor: what is installed, what of it really works, and the cure where it does not."""

import argparse
import platform
from importlib.metadata import version

from twinlens.commands.output import Outcome
from twinlens.errors import ProviderError
from twinlens.loading import DEMO, load
from twinlens.ort.cpu_features import may_saturate
from twinlens.ort.device import CPU, Device
from twinlens.ort.distributions import installed_distributions
from twinlens.ort.session import cuda_driver, probe
from twinlens.threads import usable_threads
from twinlens_kernels import NATIVE, operators


def run(_options: argparse.Namespace) -> Outcome:
    """Open a program of one node on every device; exit code 1 if not even the CPU runs it."""
    wheels, first = installed_distributions(), Device(kind="cuda")
    devices = {str(device): _trouble(device) for device in (CPU, first)}
    works = devices[str(first)] is None
    gpus = _gpus() if works else []
    astray = _towers_trouble(first) if works else None
    document = {
        "twinlens": version("twinlens"),
        "python": platform.python_version(),
        "wheels": wheels,
        "devices": devices,
        "gpus": gpus,
        "towers_on_cuda": astray,
        "native_kernels": NATIVE,
        "native_operators": operators.path(),
        "vnni": not may_saturate(),
        "threads": usable_threads(),
    }
    lines = [
        f"twinlens {document['twinlens']}, Python {document['python']}",
        "onnxruntime: " + (", ".join(f"{n} {v}" for n, v in wheels.items()) or "none installed"),
        *(f"{name}: {trouble or 'works'}" for name, trouble in devices.items()),
        *(f"cuda:{number} is {name}" for number, name in enumerate(gpus)),
        *([f"towers on {first}: {astray or 'every node'}"] if works else []),
        "kernels: " + ("native" if NATIVE else "numpy (no compiler was found at installation)"),
        f"int8 on this processor: {_int8()}",
        f"threads this process may use: {document['threads']}",
    ]
    return Outcome(lines=lines, document=document, code=1 if devices["cpu"] else 0)


def _int8() -> str:
    path = operators.path()
    if path is not None:
        return f"native operators ({path})"
    if may_saturate():
        return "onnxruntime's wider products, slower (it has no VNNI)"
    return "onnxruntime's 8-bit products (the native operators want AVX-512 VNNI and a compiler)"


def _trouble(device: Device) -> str | None:
    try:
        probe(device)
    except ProviderError as error:
        return str(error)
    return None


def _gpus() -> list[str]:
    driver = cuda_driver()
    return [] if driver is None else list(driver.gpus)


def _towers_trouble(device: Device) -> str | None:
    """Why the towers inside the package do not run on a device from the first node to the last."""
    try:
        load(DEMO, device=str(device), precision="fp16").embed_texts(["a dog"])
    except ProviderError as error:
        return str(error)
    return None
