"""Checks of finished wheels and of the sdist, by the tools of others and by their contents."""

import re
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from bench.packages.libraries.faults import faults_of, oldest
from bench.packages.libraries.read import read

LARGEST_MB: Final = {"wheel": 6.0, "sdist": 5.0}
"""Promised sizes, in millions of bytes; a larger file is told."""
SETS: Final = ("amx", "avx512vnni", "avxvnni", "avx2", "neoni8mm", "neondot", "neon", "scalar")
"""Instruction sets by the names that a library has inside."""
WANTED: Final = {"x86": {"avx512vnni", "avxvnni", "avx2"}, "arm": {"neoni8mm", "neondot", "neon"}}
UNWANTED: Final = re.compile(
    r"fp16\.onnx|/tests/|/bench/|demo_checkpoint|\.cpp$|\.hpp$|__pycache__"
)
"""Members that no wheel has: towers for CUDA, tests, sources."""


def checked(wheel: Path) -> dict[str, Any]:
    """Return the row of a wheel.

    Raises:
        ValueError: it lacks an instruction set, has members that no wheel should, or its libraries
            ask for another system than its name promises.
        subprocess.CalledProcessError: a tool refuses it; its output says why.
    """
    with zipfile.ZipFile(wheel) as archive:
        members = archive.namelist()
        libraries = {
            name: archive.read(name) for name in members if name.endswith((".so", ".pyd", ".dll"))
        }
    stray = [name for name in members if UNWANTED.search(name)]
    if stray:
        raise ValueError(f"{wheel.name} has {', '.join(stray[:5])}")
    found = _sets(libraries, "arm" if "arm64" in wheel.name or "aarch64" in wheel.name else "x86")
    facts = [read(content) for content in libraries.values()]
    if faults := [fault for library in facts for fault in faults_of(wheel.name, library)]:
        raise ValueError(f"{wheel.name}: {'; '.join(faults)}")
    tools = [name for name, command in _commands(wheel) if _passes(command)]
    return {
        "file": wheel.name,
        "MB": round(wheel.stat().st_size / 1e6, 2),
        "instruction sets": ", ".join(found),
        "oldest system": oldest(wheel.name, facts),
        "checked by": ", ".join(tools),
    }


def checked_sdist(sdist: Path) -> dict[str, Any]:
    """Return the row of an sdist; `twine` reads its metadata.

    Raises:
        ValueError: it has files that only a clone needs.
    """
    with tarfile.open(sdist) as archive:
        members = archive.getnames()
    stray = [name for name in members if re.search(r"fp16\.onnx|demo_checkpoint/|/bench/", name)]
    if stray:
        raise ValueError(f"{sdist.name} has {', '.join(stray[:5])}")
    _passes(["twine", "check", "--strict", str(sdist)])
    size = round(sdist.stat().st_size / 1e6, 2)
    return {"file": sdist.name, "MB": size, "checked by": "twine"}


def _sets(libraries: dict[str, bytes], family: str) -> list[str]:
    """Return the sets that every library of a wheel has."""
    if len(libraries) != 2:
        raise ValueError(f"a wheel has {sorted(libraries)}, wanted the module and the operators")
    common = [
        name
        for name in SETS
        if all(re.search(rb"\b%s\b" % name.encode(), content) for content in libraries.values())
    ]
    if not WANTED[family] <= set(common):
        raise ValueError(f"{sorted(libraries)} have {common}, wanted {sorted(WANTED[family])}")
    return common


def _commands(wheel: Path) -> Iterator[tuple[str, list[str]]]:
    """Give the tools that check a wheel, and their command lines after the Python."""
    yield "twine", ["twine", "check", "--strict", str(wheel)]
    # W002: equal files are empty __init__.py. W009: three packages in one wheel, as named.
    yield (
        "check-wheel-contents",
        ["check_wheel_contents", "--ignore", "W002,W009", str(wheel)],
    )
    if "manylinux" in wheel.name or "musllinux" in wheel.name:
        yield "auditwheel", ["auditwheel", "show", str(wheel)]
    if "abi3" in wheel.name:
        yield "abi3audit", ["abi3audit", "--strict", str(wheel)]


def _passes(command: list[str]) -> bool:
    subprocess.run([sys.executable, "-m", *command], check=True)
    return True
