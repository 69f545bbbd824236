"""Make a root of Debian for aarch64 with Python, our dependencies and this checkout's wheel.

    python -m bench.processors.arm_root build/processors/aarch64

Nothing of it is installed on this machine: apt downloads the packages of another architecture into
the folder, pip the wheels of another platform, and the wheel of this checkout is compiled by
g++-aarch64-linux-gnu. Needs Debian or Ubuntu, and the build requirements of pyproject.toml.
"""

import os
import platform
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Final

from bench.harness.arguments import parser_of
from bench.harness.paths import ROOT
from bench.packages.cross.sources import digest
from bench.processors.emulated import note_sources, site_of

LIBRARIES: Final = (
    "libc6",
    "libstdc++6",
    "libgcc-s1",
    "zlib1g",
    "libexpat1",
    "libssl3",
    "libffi8",
    "libbz2-1.0",
    "liblzma5",
    "libcrypt1",
)
"""Libraries that Python and the wheels load."""
PYTHON: Final = ("{0}", "{0}-minimal", "lib{0}-minimal", "lib{0}-stdlib")
WHEELS: Final = ("numpy", "onnxruntime", "pillow", "tokenizers", "tqdm")
PLATFORMS: Final = ("manylinux_2_28_aarch64", "manylinux_2_27_aarch64", "manylinux2014_aarch64")


def main(arguments: Sequence[str] | None = None) -> None:
    """Make the root, or its missing parts."""
    parser = parser_of("bench.processors.arm_root", __doc__)
    parser.add_argument("root", type=Path)
    root = parser.parse_args(arguments).root.absolute()
    if not (root / "usr" / "bin").exists():
        unpack_debian(root)
    if not (site_of(root) / "numpy").exists():
        install(root, *(f"{name}=={version(name)}" for name in WHEELS))
    sources = digest()  # before a compilation that takes long enough for a change
    install(root, str(wheel(root.parent / "wheel")))
    note_sources(root, sources)


def unpack_debian(root: Path) -> None:
    """Download and unpack the packages: no script of theirs runs."""
    work = root.parent / "apt"
    for folder in ("lists/partial", "archives/partial", "packages"):
        (work / folder).mkdir(parents=True, exist_ok=True)
    (work / "status").touch()
    options = [
        part
        for option in (
            "APT::Architecture=arm64",
            "APT::Architectures=arm64",
            "APT::Sandbox::User=",
            f"Dir::State={work}",
            f"Dir::State::status={work / 'status'}",
            f"Dir::Cache={work}",
        )
        for part in ("-o", option)
    ]
    python = f"python3.{sys.version_info.minor}"
    names = [*LIBRARIES, *(name.format(python) for name in PYTHON)]
    run("apt-get", *options, "update")
    run("apt-get", *options, "download", *names, cwd=work / "packages")
    for package in sorted((work / "packages").glob("*.deb")):
        run("dpkg", "-x", package, root)


def install(root: Path, *wheels: str) -> None:
    """Unpack wheels for aarch64 beside the root's Python."""
    platforms = [f"--platform={name}" for name in (*PLATFORMS, "linux_aarch64")]
    python = f"--python-version={sys.version_info.major}.{sys.version_info.minor}"
    chosen = ("--no-deps", "--only-binary=:all:", "--upgrade", python, *platforms)
    run(sys.executable, "-m", "pip", "install", *chosen, f"--target={site_of(root)}", *wheels)


def wheel(folder: Path) -> Path:
    """Return this checkout's wheel, compiled for aarch64.

    Raises:
        RuntimeError: it was built without the kernels.
    """
    suffix = f".cpython-{sys.version_info.major}{sys.version_info.minor}-aarch64-linux-gnu.so"
    # CMake asks this Python for the rest: its headers are those of any 64-bit Linux.
    cmake = {
        "CMAKE_SYSTEM_NAME": platform.system(),
        "CMAKE_SYSTEM_PROCESSOR": "aarch64",
        "Python_INCLUDE_DIR": sysconfig.get_path("include"),
    }
    environment = {
        **os.environ,
        "CXX": "aarch64-linux-gnu-g++",
        "CMAKE_ARGS": " ".join(f"-D{name}={value}" for name, value in cmake.items()),
        "SETUPTOOLS_EXT_SUFFIX": suffix,
        "SKBUILD_BUILD_DIR": str(folder / "build"),
        "_PYTHON_HOST_PLATFORM": "linux-aarch64",
    }
    for old in folder.glob("*.whl"):
        old.unlink()
    pip = (sys.executable, "-m", "pip", "wheel", "--no-deps", f"--wheel-dir={folder}", ROOT)
    run(*pip, environment=environment)
    (made,) = folder.glob("*.whl")
    if "linux_aarch64" not in made.name:
        raise RuntimeError(f"{made.name} has no kernels; is g++-aarch64-linux-gnu installed?")
    return made


def run(
    *command: object, cwd: Path | None = None, environment: dict[str, str] | None = None
) -> None:
    """Run a command that must succeed."""
    subprocess.run([*map(str, command)], check=True, cwd=cwd, env=environment)


if __name__ == "__main__":
    main()
