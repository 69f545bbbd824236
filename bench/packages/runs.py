"""Finished wheels at work: the doctor, the demo, and the tests of the kernels, where it runs."""

import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from bench.harness.paths import ROOT
from bench.packages.places.place import ALL, Place

QUIET: Final = ("-q", "-p", "no:cacheprovider")
SHORT_OF_MEMORY: Final = "tests/runtime/ort/test_address_space.py"
"""Tests of errors that cross from the libraries into onnxruntime, which has a C++ library too."""
IMPORTED: Final = (
    "import json, twinlens_kernels as k; from twinlens_kernels import operators as o; "
    "print(json.dumps([k.__file__, k.NATIVE, k.PATH, o.path(), o.failure()]))"
)


def run(place: Place, wheel: str) -> dict[str, Any]:
    """Run a wheel in a place, and return its row.

    Raises:
        RuntimeError: it has no native kernels there, or they are those of this checkout.
        subprocess.CalledProcessError: a step failed.
    """
    file, native, path, operators, failure = json.loads(_python(place, "-c", IMPORTED))
    if not native or failure or operators is None or file.startswith(str(ROOT / "kernels")):
        raise RuntimeError(f"{wheel} in {place.name}: {file}, {native}, {operators}, {failure}")
    done = [f"search by {path}, operators by {operators}"]
    if place.towers:
        doctor = json.loads(_python(place, "-m", "twinlens", "doctor", "--json"))
        if not doctor["native_kernels"] or doctor["devices"]["cpu"] is not None:
            raise RuntimeError(f"{wheel} in {place.name}: {doctor}")
        _python(place, "-m", "twinlens", "demo")
        done += ["doctor", "demo"]
    if place.limits_memory:
        _python(place, "-m", "pytest", SHORT_OF_MEMORY, *QUIET)
        done.append("short of memory")
    report = _python(place, "-m", "pytest", *place.tests, *QUIET)
    last = report.strip().splitlines()[-1].strip("= ")
    done.append(f"{_told(place.tests)}: {last.partition(' in ')[0]}")
    return {"wheel": wheel, "where": place.name, "what ran": "; ".join(done)}


def _python(place: Place, *arguments: str) -> str:
    """Return the standard output of a Python; TWINLENS_NATIVE=required makes any fallback fail."""
    variables = {**os.environ, **place.environment, "TWINLENS_NATIVE": "required"}
    # Pipes on every side: under wine a Python cannot open a file of this machine as its output.
    done = subprocess.run(
        [*place.command, *arguments],
        cwd=ROOT,
        env=variables,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode:
        print(done.stdout[-6000:], done.stderr[-3000:], sep="\n")
        done.check_returncode()
    return done.stdout


def _told(tests: Sequence[str]) -> str:
    """Return the tests by the name of their folder, and how many files of it where not all are."""
    if tests == ALL:
        return ALL[0]
    return f"{len(tests)} files of {ALL[0]}"


def best(wheels: list[Path], interpreter: tuple[int, int], platform: str) -> Path | None:
    """Return the wheel that pip would take for an interpreter; None if there is none."""
    own = f"cp{interpreter[0]}{interpreter[1]}-cp"
    for kind in (own, "-abi3-"):
        for wheel in wheels:
            if (
                kind in wheel.name
                and platform in wheel.name
                and (kind == own or interpreter[1] > 11)
            ):
                return wheel
    return None
