"""A Debian for aarch64, which qemu-user runs."""

import subprocess
from pathlib import Path

from bench.packages.places.place import ORT, SOME, UNPACKED, Place
from bench.packages.places.unpacked import unpack
from bench.processors.arm_root import PLATFORMS, unpack_debian
from bench.processors.emulated import Processor, arm, python_of, site_of


def root_of(root: Path) -> tuple[int, int]:
    """Unpack the Debian, if it is not there; return the version of its Python."""
    if not (root / "usr" / "bin").exists():
        unpack_debian(root)
    major, minor = python_of(root).name.removeprefix("python").split(".")
    return int(major), int(minor)


def aarch64(wheel: Path, root: Path) -> Place:
    """Put a wheel and its dependencies into the root."""
    version = root_of(root)
    platforms = (*PLATFORMS, "manylinux_2_17_aarch64")
    unpack(site_of(root), wheel, (*UNPACKED, *ORT), version=version, platforms=platforms)
    processor = arm("max", root, None)
    if processor.cpuinfo is not None:
        path, content = processor.cpuinfo
        path.parent.mkdir(exist_ok=True)
        path.write_text(content, encoding="utf-8")
    python = f"CPython {version[0]}.{version[1]}"
    return Place(
        name=f"{python} of Debian, glibc {_libc(processor)}, aarch64 (qemu-user -cpu max)",
        command=processor.command,
        environment=processor.environment,
        tests=SOME,
    )


def _libc(processor: Processor) -> str:
    ask = "import platform; print(platform.libc_ver()[1])"
    told = subprocess.run([*processor.command, "-c", ask], check=True, stdout=subprocess.PIPE)
    return told.stdout.decode().strip()
