"""Places to install a wheel into: fresh environments here, and roots of other systems."""

import subprocess
import sys
import sysconfig
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from bench.packages.cross.wheel import WORK, version_of
from bench.processors import arm_root
from bench.processors.emulated import arm, site_of

TESTS: Final = ("pytest", "hypothesis")
MUSL: Final = "musllinux_1_2_x86_64"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A Python with a wheel and its dependencies.

    Attributes:
        name: for people.
        command: starts the Python.
        environment: variables of it.
        towers: False where onnxruntime has no wheel, so that the kernels alone can run.
    """

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    towers: bool = True


def environment_of(python: str, requirement: str, *options: str) -> Place:
    """Make a fresh environment, and install a requirement from wheels alone, with no compiler."""
    major, minor = version_of(python)
    folder = WORK / "environments" / f"{major}.{minor}"
    subprocess.run([python, "-m", "venv", "--clear", str(folder)], check=True)
    own = str(folder / "bin" / "python")
    install = [own, "-m", "pip", "install", "--quiet", "--only-binary=:all:", *options]
    subprocess.run([*install, requirement, *TESTS], check=True)
    return Place(name=f"CPython {major}.{minor}, glibc, x86-64", command=(own,))


def aarch64(wheel: Path, root: Path) -> Place:
    """Unpack a Debian for aarch64, with the wheel and its dependencies; qemu-user runs it."""
    if not (root / "usr" / "bin").exists():
        arm_root.unpack_debian(root)
    if not (site_of(root) / "onnxruntime").exists():
        arm_root.install(root, *(*arm_root.WHEELS, *TESTS, "iniconfig", "packaging", "pluggy"))
        arm_root.install(root, "sortedcontainers", "pygments", "flatbuffers", "protobuf")
    arm_root.install(root, str(wheel))
    processor = arm("max", root, None)
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    return Place(
        name=f"CPython {version} of Debian 12, glibc, aarch64, qemu-user -cpu max",
        command=processor.command,
        environment=processor.environment,
    )


def musl(wheel: Path, python: Path) -> Place:
    """Put the wheel and numpy beside a Python that was linked against musl.

    onnxruntime has no wheel for musl, nor has the Python here a pip.
    """
    site = WORK / "environments" / "musl"
    major, minor = version_of(str(python))
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--upgrade", "--no-deps"]
    install += ["--only-binary=:all:", f"--platform={MUSL}", f"--python-version={major}.{minor}"]
    needed = ("numpy", "pillow", "tokenizers", "tqdm", *TESTS)
    more = ("iniconfig", "packaging", "pluggy", "sortedcontainers", "pygments")
    command = [*install, f"--target={site}", str(wheel), *needed, *more]
    subprocess.run(command, check=True)
    return Place(
        name=f"CPython {major}.{minor}, musl, x86-64",
        command=(str(python),),
        environment={"PYTHONPATH": str(site)},
        towers=False,
    )


def is_musl(python: str) -> bool:
    """Return True for a Python that was linked against musl."""
    ask = "import sysconfig; print('musl' in str(sysconfig.get_config_var('CC')))"
    told = subprocess.run([python, "-c", ask], check=True, capture_output=True, text=True)
    return told.stdout.strip() == "True"


def here() -> str:
    """Return the name of this machine's wheels."""
    return sysconfig.get_platform().replace("-", "_")
