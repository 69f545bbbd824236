"""Wishes of the environment for compiled kernels, and the reason that a build left without them."""

import os
from importlib import metadata
from typing import Final

PURE: Final = "TWINLENS_PURE"
"""Environment variable; 1 leaves all work to numpy and onnxruntime, at a build and at an import."""
NATIVE: Final = "TWINLENS_NATIVE"
"""Environment variable; "required" makes a build or an import without compiled kernels an error."""
RECORD: Final = "without_kernels.txt"
"""File beside the metadata of a wheel without kernels: the reason, one line."""
ASKED: Final = f"it was built with {PURE}=1"
"""The reason of a build that was asked for no kernels."""
NEVER: Final = "they were never compiled here"
CURE: Final = (
    "install a C++17 compiler, then run: pip install --force-reinstall --no-deps --no-cache-dir "
    "twinlens"
)


def is_pure() -> bool:
    """Return True if TWINLENS_PURE asks for numpy in place of the compiled kernels.

    Raises:
        ImportError: it is neither 0 nor 1, or TWINLENS_NATIVE asks for the contrary.
    """
    pure = os.environ.get(PURE) or "0"
    if pure not in ("0", "1"):
        raise ImportError(f"{PURE} is {pure[:40]!r}, wanted 1 or 0")
    if pure == "1" and is_required():
        raise ImportError(f"{PURE}=1 and {NATIVE}=required exclude each other; unset one")
    return pure == "1"


def is_required() -> bool:
    """Return True if TWINLENS_NATIVE makes it an error that numpy serves.

    Raises:
        ImportError: it is set to anything but "required".
    """
    native = os.environ.get(NATIVE) or ""
    if native not in ("", "required"):
        raise ImportError(f"{NATIVE} is {native[:40]!r}, wanted 'required', or unset")
    return native == "required"


def absence() -> str:
    """Return the reason that there is no compiled module: the environment's, or the build's."""
    if is_pure():
        return f"{PURE}=1"
    try:
        recorded = metadata.distribution("twinlens").read_text(RECORD)
    except metadata.PackageNotFoundError:
        return NEVER
    return " ".join(recorded.split()) if recorded else NEVER
