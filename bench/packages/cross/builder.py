"""Environments with the build requirements, one for each Python that wheels are compiled for."""

import subprocess
import sys
import tomllib
from pathlib import Path

from bench.harness.paths import ROOT


def builder(python: str, folder: Path) -> str:
    """Make an environment with what pyproject.toml asks for, if there is none; return its Python.

    pip would make a new one for each wheel, at another path, and zig would compile nanobind anew.
    """
    own = folder / "bin" / "python"
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    needed = [*project["build-system"]["requires"], "cmake", "ninja", "pip"]
    if not own.exists():
        subprocess.run([sys.executable, "-m", "uv", "venv", "-q", "-p", python, folder], check=True)
    install = [sys.executable, "-m", "uv", "pip", "install", "-q", "-p", str(own)]
    subprocess.run([*install, *needed], check=True)
    return str(own)
