"""The wheels of onnxruntime, of which one must be installed."""

import importlib.metadata
from typing import Final

from twinlens.ort.device import PROVIDERS, Device

DISTRIBUTIONS: Final = ("onnxruntime", "onnxruntime-gpu")
"""They own the same files: with both installed, which one is imported is chance."""


def installed_distributions() -> dict[str, str]:
    """The onnxruntime wheels that are installed, with their versions."""
    found = {}
    for name in DISTRIBUTIONS:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def no_provider(device: Device) -> str:
    """What is said where the wheel installed has no provider for a device."""
    wheels = ", ".join(f"{name} {version}" for name, version in installed_distributions().items())
    return (
        f"asked for {device}, but {wheels or 'onnxruntime'} has no {PROVIDERS[device.kind]}; "
        "run: pip uninstall -y onnxruntime, then pip install 'twinlens[gpu]', "
        "or open with device='cpu'"
    )
