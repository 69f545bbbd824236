"""Distributions of onnxruntime, and those of them that are installed."""

import importlib.metadata
from typing import Final

from twinlens.ort.device import PROVIDERS, Device

DISTRIBUTIONS: Final = ("onnxruntime", "onnxruntime-gpu")
"""They own the same files: with both installed, the one that is imported is chance."""


def installed_distributions() -> dict[str, str]:
    """Return the versions of the distributions that are installed, by name."""
    found = {}
    for name in DISTRIBUTIONS:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def no_provider(device: Device) -> str:
    """Return the error message for a wheel without a provider for the device."""
    wheels = ", ".join(f"{name} {version}" for name, version in installed_distributions().items())
    return (
        f"asked for {device}, but {wheels or 'onnxruntime'} has no {PROVIDERS[device.kind]}; "
        "run: pip uninstall -y onnxruntime, then pip install 'twinlens[gpu]', "
        "or open with device='cpu'"
    )
