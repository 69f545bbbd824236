"""A release rehearsed: an index on this machine, an upload to it, and installations from it."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.request import urlopen

from bench.packages.cross.wheel import WORK

STARTS_WITHIN_S: Final = 60
NO_COMPILER: Final = {"CC": "/nonexistent", "CXX": "/nonexistent"}


def rehearsed(dist: Sequence[Path]) -> list[dict[str, Any]]:
    """Upload files to an index here, install from it without a compiler, and return the rows.

    Raises:
        RuntimeError: an installation has other kernels than it has to.
        subprocess.CalledProcessError: a step failed.
    """
    rows = []
    with _index() as address:
        upload = ["twine", "upload", "--non-interactive", "--disable-progress-bar"]
        upload += ["--repository-url", address, "-u", "rehearsal", "-p", "rehearsal"]
        subprocess.run([sys.executable, "-m", *upload, *map(str, dist)], check=True)
        rows.append({"step": "twine upload to an index here", "outcome": f"{len(dist)} files"})
        rows += [_wheel(address), _sdist(address), _required(address), _pure(address)]
    return rows


@contextmanager
def _index() -> Iterator[str]:
    """Serve an empty index on a free port; other packages are found where pip usually does."""
    folder = WORK / "index"
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    options = ["-i", "127.0.0.1", "-p", str(port), "-P", ".", "-a", ".", str(folder)]
    server = subprocess.Popen([sys.executable, "-m", "pypiserver", "run", *options])
    try:
        _wait_for(f"http://127.0.0.1:{port}/simple/")
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait()


def _wait_for(address: str) -> None:
    end = time.monotonic() + STARTS_WITHIN_S
    while True:
        try:
            urlopen(address).close()
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.1)
        else:
            return


def _wheel(address: str) -> dict[str, Any]:
    doctor = _installed(address, ["twinlens[cpu]"])
    if not doctor["native_kernels"] or doctor["native_operators"] is None:
        raise RuntimeError(f"from a wheel, yet {doctor}")
    told = f"native kernels, operators {doctor['native_operators']}"
    return {"step": "no compiler: `pip install 'twinlens[cpu]'`", "outcome": told}


def _sdist(address: str) -> dict[str, Any]:
    doctor = _installed(address, ["--no-binary=twinlens", "twinlens[cpu]"])
    reason = str(doctor["without_kernels"])
    if doctor["native_kernels"] or "did not compile: " not in reason:
        raise RuntimeError(f"without a compiler, yet {doctor}")
    return {"step": "no compiler: `--no-binary=twinlens`", "outcome": f"numpy ({reason})"}


def _required(address: str) -> dict[str, Any]:
    try:
        _installed(address, ["--no-binary=twinlens", "twinlens[cpu]"], TWINLENS_NATIVE="required")
    except subprocess.CalledProcessError as error:
        lines = str(error.stderr).splitlines()
        told = next(line.strip() for line in lines if "TWINLENS_NATIVE=required, and" in line)
        return {"step": "the same, `TWINLENS_NATIVE=required`", "outcome": f"refused: {told}"}
    raise RuntimeError("TWINLENS_NATIVE=required, yet a build without kernels was installed")


def _pure(address: str) -> dict[str, Any]:
    doctor = _installed(address, ["--no-binary=twinlens", "twinlens[cpu]"], TWINLENS_PURE="1")
    told = f"numpy ({doctor['without_kernels']})"
    return {"step": "the same, `TWINLENS_PURE=1`", "outcome": told}


def _installed(address: str, requirement: Sequence[str], **more: str) -> dict[str, Any]:
    """Install from the index into a fresh environment without a compiler; ask its doctor."""
    folder = WORK / "environments" / "rehearsal"
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
    variables = {**os.environ, **NO_COMPILER, **more}
    # Its own programs alone: no compiler of the system is found by name either.
    variables["PATH"] = str(folder / "bin")
    install = ["-m", "pip", "install", "--no-cache-dir", "--index-url", f"{address}/simple/"]
    python = str(folder / "bin" / "python")
    subprocess.run(
        [python, *install, *requirement], check=True, env=variables, capture_output=True, text=True
    )
    told = subprocess.run(
        [python, "-m", "twinlens", "doctor", "--json"],
        check=True,
        env=variables,
        capture_output=True,
        text=True,
    ).stdout
    found: dict[str, Any] = json.loads(told)
    return found
