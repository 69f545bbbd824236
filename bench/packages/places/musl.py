"""A Python that was linked against musl."""

import json
import subprocess
from pathlib import Path

from bench.packages.cross.wheel import WORK
from bench.packages.places.place import ALL, SOME, UNPACKED, Place
from bench.packages.places.unpacked import unpack

ASK = "import json, platform, sys; print(json.dumps([*sys.version_info[:2], platform.machine()]))"


def told_by(python: Path) -> tuple[tuple[int, int], str]:
    """Return the version and the processor of a Python."""
    told = subprocess.run([python, "-c", ASK], check=True, capture_output=True, text=True).stdout
    major, minor, processor = json.loads(told)
    return (major, minor), processor


def musl(wheel: Path, python: Path) -> Place:
    """Put a wheel and its dependencies beside the Python.

    onnxruntime has no wheel for musl: the kernels alone run.
    """
    version, processor = told_by(python)
    site = WORK / "environments" / f"musl-{processor}"
    platforms = [f"musllinux_1_{minor}_{processor}" for minor in (2, 1)]
    unpack(site, wheel, UNPACKED, version=version, platforms=platforms)
    emulated = processor != "x86_64"
    return Place(
        name=f"CPython {version[0]}.{version[1]}, musl, {processor}"
        + (" (qemu-user)" if emulated else ""),
        command=(str(python),),
        environment={"PYTHONPATH": str(site)},
        towers=False,
        tests=SOME if emulated else ALL,
    )
