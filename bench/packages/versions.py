"""Floors and ceilings: the tests in environments of the oldest and of the newest versions."""

import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from bench.harness.paths import ROOT
from bench.packages.cross.wheel import WORK, version_of
from bench.packages.dist import require_commit
from bench.packages.outcome import counts_of, told
from bench.portability.environments import VARIABLE

RUNTIME: Final = ("cpu", "parquet", "serve", "browse", "ftfy", "completion", "loadgen")
EXTRAS: Final = (*RUNTIME, "export")
TESTERS: Final = (
    "httpx",
    "hypothesis",
    "openai",
    "pandas",
    "polars",
    "pytest",
    "pytest-xdist",
    "scikit-learn",
)
"""Packages that the tests need besides; not promised, so the newest."""
TOLD: Final = (
    "numpy",
    "pillow",
    "tokenizers",
    "onnxruntime",
    "transformers",
    "torch",
    "onnx",
    "optimum-onnx",
)
TESTS_OF_RUNTIME: Final = ("tests/kernels", "tests/runtime")
TESTS: Final = (*TESTS_OF_RUNTIME, "tests/export", "tests/parity")
LEFT_OUT: Final = ("--ignore=tests/kernels/isa", "-q", "-p", "no:cacheprovider")
TOOLS: Final = "tools"
"""In an environment: the folder of tools for `bench.portability`, each a link to it."""
NO_TESTS: Final = 5
"""Exit status of pytest that found no test, as of a module that is skipped whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Versions:
    """The versions in an environment.

    Attributes:
        resolution: uv's choice among versions.
        bounds: narrower bounds of some packages, in place of pyproject's.
        extras: those of the package that are installed.
        tests: paths of the tests that run in it.
        tools: packages of `bench.portability` that are tried in it too.
    """

    resolution: str
    bounds: Mapping[str, str] = field(default_factory=dict)
    extras: Sequence[str] = EXTRAS
    tests: Sequence[str] = TESTS
    tools: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """An environment that is made.

    Attributes:
        name: that of its versions, and its Python's.
        folder: where it lies; results of tests are beside it.
        python: its interpreter.
        told: the versions in it that count.
        tests: paths of the tests that run in it.
    """

    name: str
    folder: Path
    python: str
    told: str
    tests: Sequence[str]


ENVIRONMENTS: Final = {
    "floors": Versions(resolution="lowest-direct"),
    # transformers asks for a newer tokenizers than the runtime does.
    "floors of the runtime": Versions(
        resolution="lowest-direct", extras=RUNTIME, tests=TESTS_OF_RUNTIME
    ),
    "newest": Versions(resolution="highest"),
    # What optimum 2 asks for.
    "transformers 4.57": Versions(
        resolution="highest",
        bounds={"transformers": ">=4.57,<4.58"},
        tests=(*TESTS, "tests/portability"),
        tools={"optimum": "optimum-onnx"},
    ),
}


def requirements(versions: Versions) -> list[str]:
    """Return the requirements of the package and of extras, with some bounds replaced."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = [*project["dependencies"]]
    for extra in versions.extras:
        lines += project["optional-dependencies"][extra]
    found = []
    for line in lines:
        name = re.match(r"[\w.-]+", line)
        if name is None or name[0] == "twinlens":
            continue
        bound = versions.bounds.get(name[0])
        found.append(line if bound is None else name[0] + bound)
    return found


def environment(name: str, interpreter: str, wheel: Path, links: Sequence[str] = ()) -> Environment:
    """Make an environment; one of the same requirements is kept, and gets the wheel anew."""
    versions = ENVIRONMENTS[name]
    major, minor = version_of(interpreter)
    folder = WORK / "versions" / f"{name.replace(' ', '-')}-{major}.{minor}"
    python = str(folder / "bin" / "python")
    uv = [sys.executable, "-m", "uv"]
    install = [*uv, "pip", "install", "-q", "-p", python]
    install += [part for link in links for part in ("--find-links", link)]
    wanted = [f"--resolution={versions.resolution}", *requirements(versions)]
    wanted += versions.tools.values()
    note = folder / "requirements.json"
    if not note.exists() or json.loads(note.read_text(encoding="utf-8")) != wanted:
        subprocess.run([*uv, "venv", "-q", "--clear", "-p", interpreter, str(folder)], check=True)
        subprocess.run([*install, *wanted], check=True)
        pinned = [f"{package}=={version}" for package, version in _listed(uv, python).items()]
        subprocess.run([*install, *TESTERS, *pinned], check=True)
        for tool in versions.tools:
            (folder / TOOLS).mkdir(exist_ok=True)
            (folder / TOOLS / tool).symlink_to(folder)
        note.write_text(json.dumps(wanted), encoding="utf-8")
    subprocess.run([*install, "--no-deps", "--reinstall-package=twinlens", str(wheel)], check=True)
    listed = _listed(uv, python)
    those = ", ".join(f"{package} {listed[package]}" for package in TOLD if package in listed)
    return Environment(
        name=f"{name}, CPython {major}.{minor}",
        folder=folder,
        python=python,
        told=those,
        tests=versions.tests,
    )


def tested(
    made: Environment, tests: Sequence[str], processes: int, at: str
) -> Iterator[dict[str, Any]]:
    """Run paths of tests in an environment, by default its own, and give a row for each at its end.

    A path that passed at this commit is not run again. What pytest said is beside the environment.

    Raises:
        SystemExit: the checkout changed while a path's tests ran.
    """
    note = made.folder / f"passed-{at}.json"
    passed = json.loads(note.read_text(encoding="utf-8")) if note.exists() else {}
    for path in tests or made.tests:
        found = passed.get(path) or _counts(made, path, processes)
        require_commit(at)
        if not found.keys() & {"failed", "errors"}:
            passed[path] = found
            note.write_text(json.dumps(passed), encoding="utf-8")
        yield {
            "environment": made.name,
            "versions": made.told,
            "path": path,
            "outcome": told(found),
        }


def _counts(made: Environment, path: str, processes: int) -> dict[str, int]:
    """Return how many tests of a path passed, and so on; print those that did not."""
    log = made.folder / f"{path.replace('/', '-')}.log"
    spread = ["-n", str(processes), "--dist", "loadfile"] if processes > 1 else []
    with log.open("w", encoding="utf-8") as out:
        done = subprocess.run(
            [made.python, "-m", "pytest", path, *LEFT_OUT, *spread],
            cwd=ROOT,
            env={**os.environ, "TWINLENS_NATIVE": "required", VARIABLE: str(made.folder / TOOLS)},
            stdout=out,
            stderr=subprocess.STDOUT,
            check=False,
        )
    lines = log.read_text(encoding="utf-8").strip().splitlines()
    print(f"{made.name}, {path}:", *_told(lines), sep="\n", flush=True)
    found = counts_of(lines[-1] if lines else "")
    if done.returncode not in (0, NO_TESTS) and not found.keys() & {"failed", "errors"}:
        found["errors"] = found.get("errors", 0) + 1
    return found


def _told(lines: Sequence[str]) -> list[str]:
    """Return pytest's lines of what did not pass, and its last."""
    heads = ("FAILED", "ERROR", "SKIPPED")
    return [*(line for line in lines[:-1] if line.startswith(heads)), *lines[-1:]]


def _listed(uv: Sequence[str], python: str) -> dict[str, str]:
    told = subprocess.run(
        [*uv, "pip", "freeze", "-p", python], check=True, capture_output=True, text=True
    ).stdout
    pairs = (line.partition("==") for line in told.splitlines() if "==" in line)
    return {package: version for package, _, version in pairs}
