"""A Python that was linked against musl."""

import json
import subprocess
from pathlib import Path
from typing import Final

from bench.packages.places.place import ALL, SOME, UNPACKED, Place
from bench.packages.places.unpacked import unpack

ASK: Final = (
    "import json, platform, sys, sysconfig; print(json.dumps("
    "[*sys.version_info[:2], platform.machine(), sysconfig.get_path('purelib')]))"
)


def told_by(python: Path) -> tuple[tuple[int, int], str, Path]:
    """Return the version, the processor, and the folder of packages of a Python."""
    told = subprocess.run([python, "-c", ASK], check=True, capture_output=True, text=True).stdout
    major, minor, processor, site = json.loads(told)
    return (major, minor), processor, Path(site)


def musl(wheel: Path, python: Path) -> Place:
    """Put a wheel and its dependencies into the Python, in place of all packages that it has.

    onnxruntime has no wheel for musl: the kernels alone run.
    """
    version, processor, site = told_by(python)
    platforms = [f"musllinux_1_{minor}_{processor}" for minor in (2, 1)]
    unpack(site, wheel, UNPACKED, version=version, platforms=platforms)
    emulated = processor != "x86_64"
    return Place(
        name=f"CPython {version[0]}.{version[1]}, musl, {processor}"
        + (" (qemu-user)" if emulated else ""),
        command=(str(python),),
        towers=False,
        tests=SOME if emulated else ALL,
    )
