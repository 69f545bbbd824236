"""Versions of the libraries that decide on speed."""

import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Final

PACKAGES: Final = (
    "twinlens", "onnxruntime", "onnxruntime-gpu", "numpy", "pillow", "tokenizers",
    "mlcommons-loadgen",
)  # fmt: skip


def versions() -> dict[str, str]:
    """Return Python's version, and those of the libraries that are installed."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
