"""Fresh environments of this machine's Pythons."""

import subprocess

from bench.packages.cross.wheel import WORK, version_of
from bench.packages.places.place import TESTERS, Place


def environment_of(python: str, requirement: str, *options: str) -> Place:
    """Make a fresh environment, and install a requirement from wheels alone, with no compiler."""
    major, minor = version_of(python)
    folder = WORK / "environments" / f"{major}.{minor}"
    subprocess.run([python, "-m", "venv", "--clear", str(folder)], check=True)
    own = str(folder / "bin" / "python")
    install = [own, "-m", "pip", "install", "--quiet", "--only-binary=:all:", *options]
    subprocess.run([*install, requirement, *TESTERS], check=True)
    return Place(name=f"CPython {major}.{minor}, glibc, x86-64", command=(own,), limits_memory=True)
