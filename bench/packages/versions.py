"""Floors and ceilings: the tests in environments of the oldest and of the newest versions."""

import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bench.harness.paths import ROOT
from bench.packages.cross.wheel import WORK

EXTRAS: Final = ("cpu", "parquet", "serve", "browse", "ftfy", "completion", "export")
TESTERS: Final = ("httpx", "hypothesis", "openai", "pandas", "polars", "pytest", "scikit-learn")
"""Packages that the tests need besides; not promised, so the newest."""
TOLD: Final = ("numpy", "pillow", "tokenizers", "onnxruntime", "transformers", "torch", "onnx")
TESTS: Final = ("tests/kernels", "tests/runtime", "tests/export")
LEFT_OUT: Final = ("--ignore=tests/kernels/isa", "-q", "-p", "no:cacheprovider")


@dataclass(frozen=True, slots=True, kw_only=True)
class Versions:
    """An environment.

    Attributes:
        resolution: uv's choice among versions.
        bounds: narrower bounds of some packages, in place of pyproject's.
    """

    resolution: str
    bounds: Mapping[str, str]


ENVIRONMENTS: Final = {
    "floors": Versions(resolution="lowest-direct", bounds={}),
    "newest": Versions(resolution="highest", bounds={}),
    # What optimum 2 asks for.
    "transformers 4.57": Versions(resolution="highest", bounds={"transformers": ">=4.57,<4.58"}),
}


def requirements(bounds: Mapping[str, str]) -> list[str]:
    """Return the requirements of the package and its extras, with some bounds replaced."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = [*project["dependencies"]]
    for extra in EXTRAS:
        lines += project["optional-dependencies"][extra]
    found = []
    for line in lines:
        name = re.match(r"[\w.-]+", line)
        if name is None or name[0] == "twinlens":
            continue
        found.append(name[0] + bounds[name[0]] if name[0] in bounds else line)
    return found


def environment(name: str, wheel: Path, links: Sequence[str] = ()) -> tuple[str, str]:
    """Make an environment; return its Python and the versions in it."""
    versions = ENVIRONMENTS[name]
    folder = WORK / "versions" / name.replace(" ", "-")
    python = str(folder / "bin" / "python")
    uv = [sys.executable, "-m", "uv"]
    subprocess.run([*uv, "venv", "-q", "--clear", "-p", sys.executable, str(folder)], check=True)
    install = [*uv, "pip", "install", "-q", "-p", python]
    install += [part for link in links for part in ("--find-links", link)]
    chosen = f"--resolution={versions.resolution}"
    subprocess.run([*install, chosen, *requirements(versions.bounds)], check=True)
    listed = _listed(uv, python)
    pinned = [f"{package}=={version}" for package, version in listed.items()]
    subprocess.run([*install, *TESTERS, *pinned], check=True)
    subprocess.run([*install, "--no-deps", str(wheel)], check=True)
    told = ", ".join(f"{package} {listed[package]}" for package in TOLD if package in listed)
    return python, told


def tested(name: str, python: str, told: str, tests: Sequence[str]) -> dict[str, Any]:
    """Run the tests in an environment, and return its row; its output names the failures."""
    done = subprocess.run(
        [python, "-m", "pytest", *tests, *LEFT_OUT],
        cwd=ROOT,
        env={**os.environ, "TWINLENS_NATIVE": "required"},
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    print(done.stdout[-6000:])
    lines = done.stdout.strip().splitlines() or [f"pytest ended with {done.returncode}"]
    outcome = lines[-1].strip("= ").partition(" in ")[0]
    return {"environment": name, "versions": told, "tests": f"{outcome} of {' '.join(tests)}"}


def _listed(uv: Sequence[str], python: str) -> dict[str, str]:
    told = subprocess.run(
        [*uv, "pip", "freeze", "-p", python], check=True, capture_output=True, text=True
    ).stdout
    pairs = (line.partition("==") for line in told.splitlines() if "==" in line)
    return {package: version for package, _, version in pairs}
