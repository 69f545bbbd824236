"""The operators' library, built with AddressSanitizer and UndefinedBehaviorSanitizer by g++."""

import subprocess
import sys
from pathlib import Path
from types import MappingProxyType
from typing import Final

from bench.faults.campaign import WORK
from bench.harness.paths import ROOT

BUILT: Final = WORK / "sanitized"
TARGET: Final = "twinlens_operators"
FLAGS: Final = "-g -fno-omit-frame-pointer -fsanitize=address,undefined"
"""Undefined behaviour is told, and the program goes on: one report hides no other."""
OPTIONS: Final = MappingProxyType(
    {
        # Python leaks on purpose; a size that no machine has is an error, not a report; and freed
        # memory is not kept long, or the resident set would not be flat.
        "ASAN_OPTIONS": "detect_leaks=0:allocator_may_return_null=1:max_allocation_size_mb=8192:"
        "quarantine_size_mb=8",
    }
)


def built() -> Path:
    """Return the library, compiled anew where a source is younger: a minute on one core.

    Raises:
        subprocess.CalledProcessError: cmake or g++ failed, and has said why on stderr.
    """
    nanobind = _told(sys.executable, "-m", "nanobind", "--cmake_dir")
    choices = {
        "CMAKE_CXX_COMPILER": "g++",
        "CMAKE_CXX_FLAGS": FLAGS,
        "Python_EXECUTABLE": sys.executable,
        "nanobind_DIR": nanobind,
    }
    defined = [f"-D{name}={value}" for name, value in choices.items()]
    for command in (
        ["cmake", "-S", str(ROOT / "kernels"), "-B", str(BUILT), *defined],
        ["cmake", "--build", str(BUILT), "--target", TARGET],
    ):
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return next(BUILT.glob(f"*{TARGET}.so"))


def environment(library: Path) -> dict[str, str]:
    """Return the variables under which a Python that is not instrumented loads the library."""
    # libstdc++ too: the sanitizer finds the throwing of exceptions only where it is loaded already.
    names = ("libasan.so", "libstdc++.so")
    runtimes = [Path(_told("g++", f"-print-file-name={name}")).resolve() for name in names]
    preloaded = ":".join(map(str, runtimes))
    return {"LD_PRELOAD": preloaded, "TWINLENS_OPERATORS_LIBRARY": str(library), **OPTIONS}


def _told(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
