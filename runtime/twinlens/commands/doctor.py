"""twinlens doctor: installed libraries, working devices, and cures for the others."""

import argparse
import os
import platform
from collections.abc import Callable
from importlib.metadata import version
from typing import Final

from twinlens.commands.printing.outcome import Outcome
from twinlens.errors import TRACEBACK, BundleError, ProviderError, quoted
from twinlens.loading import DEMO, load
from twinlens.ort import native_operators
from twinlens.ort.cpu_features import may_saturate
from twinlens.ort.cuda.imported_wheel import cuda_driver
from twinlens.ort.device import CPU, Device
from twinlens.ort.device_choice import probe
from twinlens.ort.distributions import installed_distributions
from twinlens.threads import usable_threads
from twinlens_kernels import operators
from twinlens_kernels.compiled import FAILURE, NATIVE, REASON
from twinlens_kernels.installation import CURE, PURE, is_pure
from twinlens_kernels.installation import NATIVE as REQUIREMENT

PREFIX: Final = "TWINLENS_"
VARIABLES: Final = (REQUIREMENT, operators.VARIABLE, PURE, TRACEBACK)
"""Environment variables that twinlens reads, beside those of systemd."""


def run(options: argparse.Namespace) -> Outcome:
    """Open a one-node ONNX model on every device, and a bundle's towers on CUDA.

    Exit code 1 if the CPU fails.
    """
    wheels, gpu = installed_distributions(), Device(kind="cuda")
    devices = {str(device): _error_on(device) for device in (CPU, gpu)}
    gpu_works = devices[str(gpu)] is None
    gpu_names = _gpu_names() if gpu_works else []
    damaged = [reason for reason in (FAILURE, native_operators.failure()) if reason]
    towers_error = _towers_error_on(gpu, options.bundle) if gpu_works else None
    document = {
        "twinlens": version("twinlens"),
        "python": platform.python_version(),
        "wheels": wheels,
        "devices": devices,
        "gpus": gpu_names,
        "towers_on_cuda": towers_error,
        "native_kernels": NATIVE,
        "without_kernels": REASON,
        "native_operators": _asked(native_operators.serving),
        "native_bf16": _asked(native_operators.serving_bf16),
        "damaged": damaged,
        "vnni": not may_saturate(),
        "threads": usable_threads(),
        "unknown_variables": _unknown_variables(),
    }
    lines = [
        f"twinlens {document['twinlens']}, Python {document['python']}",
        "onnxruntime: " + (", ".join(f"{n} {v}" for n, v in wheels.items()) or "none installed"),
        *(f"{name}: {error or 'works'}" for name, error in devices.items()),
        *(f"cuda:{number} is {name}" for number, name in enumerate(gpu_names)),
        *([f"towers on {gpu}: {towers_error or 'every node'}"] if gpu_works else []),
        "kernels: " + ("native" if NATIVE else f"numpy ({REASON})"),
        *([f"native kernels: {CURE}"] if REASON and not is_pure() else []),
        f"int8 on this processor: {_int8_products()}",
        f"bf16 on this processor: {_bf16_products()}",
        f"threads this process may use: {document['threads']}",
        *(
            f"{quoted(name)} is set and means nothing; twinlens reads {', '.join(VARIABLES)}"
            for name in _unknown_variables()
        ),
    ]
    return Outcome(lines=lines, document=document, code=1 if devices["cpu"] else 0)


def _asked(serving: Callable[[], str | None]) -> str | None:
    try:
        return serving()
    except ProviderError:
        return None


def _unknown_variables() -> list[str]:
    """Return the environment variables that are named as twinlens' own, but are none."""
    return sorted(name for name in os.environ if name.startswith(PREFIX) and name not in VARIABLES)


def _int8_products() -> str:
    try:
        path = native_operators.serving()
    except ProviderError as error:
        return str(error)
    if path is not None:
        return f"native operators ({path})"
    if not operators.is_off() and native_operators.failure() is not None:
        return f"onnxruntime's own operators, slower ({native_operators.failure()})"
    return f"onnxruntime's own operators, slower ({_reason_without_operators()})"


def _bf16_products() -> str:
    path = _asked(native_operators.serving_bf16)
    if path in operators.BF16_PATHS:
        return f"native operators ({path})"
    reason = f"no {', '.join(operators.BF16_PATHS)}" if path else "no native operators"
    return f"computed in float32, no faster than fp32 ({reason})"


def _reason_without_operators() -> str:
    if operators.is_off():
        return f"{operators.VARIABLE}=none"
    if operators.library() is None:
        return operators.absence()
    return f"this processor has none of {', '.join(operators.PATHS)}"


def _error_on(device: Device) -> str | None:
    try:
        probe(device)
    except ProviderError as error:
        return str(error)
    return None


def _gpu_names() -> list[str]:
    driver = cuda_driver()
    return [] if driver is None else list(driver.gpus)


def _towers_error_on(device: Device, bundle: str) -> str | None:
    """Return the error of a bundle's towers if not every node runs on the device; else None.

    The demo has none for CUDA.
    """
    if bundle == DEMO:
        return "not tried, as the demo has none; twinlens doctor BUNDLE tries yours"
    try:
        load(bundle, device=str(device)).embed_texts(["a dog"])
    except (BundleError, ProviderError) as error:
        return str(error)
    return None
