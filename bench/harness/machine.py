"""Facts that say whose figures these are: commit, processor, versions."""

import os
import platform
import subprocess
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from bench.harness.paths import ROOT


def commit() -> str:
    """Return the short hash of the commit checked out; without git, the variable COMMIT."""
    command = ["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"]
    try:
        done = subprocess.run(command, check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError):
        return os.environ.get("COMMIT", "")
    return done.stdout.strip()


def processor() -> str:
    """Return the processor's name as Linux tells it; elsewhere as Python does.

    Virtual machines name a family alone, so that two processors of a factor of two between them
    are both "AMD EPYC": one without AVX-512 has "AVX2" after its name.
    """
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8").splitlines() if cpuinfo.exists() else []
    pairs = (line.partition(":") for line in lines)
    facts = {key.strip(): value.strip() for key, _, value in pairs}
    name = facts.get("model name") or platform.processor() or platform.machine()
    instructions = facts.get("flags", "").split()
    is_older = "avx2" in instructions and "avx512f" not in instructions
    return f"{name}, AVX2" if is_older else name


def versions(packages: Iterable[str]) -> dict[str, str]:
    """Return Python's version and those of the packages that are installed."""
    found = {"python": platform.python_version()}
    for name in packages:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def installed(library: str) -> bool:
    """Return True if a library can be imported; otherwise print that it is left out."""
    found = find_spec(library) is not None
    if not found:
        print(f"{library} is not installed: left out", flush=True)
    return found
