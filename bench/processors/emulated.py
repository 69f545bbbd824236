"""Processors that qemu-user emulates, and the Python that runs on each."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from bench.harness.paths import ROOT
from bench.packages.cross.sources import digest

PARTS: Final = {
    "cortex-a72": 0xD08,
    "cortex-a76": 0xD0B,
    "neoverse-n1": 0xD0C,
    "neoverse-v1": 0xD40,
    "max": 0xD40,
}
"""ARM's numbers of processors; that of qemu's max is a Neoverse-V1's, which has i8mm."""
CPUINFO: Final = """\
processor\t: 0
Features\t: fp asimd
CPU implementer\t: 0x41
CPU architecture: 8
CPU variant\t: 0x1
CPU part\t: {part:#x}
CPU revision\t: 1
"""
"""onnxruntime chooses kernels by it, and dies where it is that of x86; qemu has no such file of its
own before 8.0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Processor:
    """Command that runs Python on a processor."""

    name: str
    command: tuple[str, ...] = (sys.executable,)
    environment: Mapping[str, str] = field(default_factory=dict)
    cpuinfo: tuple[Path, str] | None = None
    """/proc/cpuinfo of a root that several processors share, and what it says of this one."""

    def run(self, *arguments: object, **environment: str) -> str:
        """Run Python with these arguments, from the repository's root; return its standard error.

        Raises:
            subprocess.CalledProcessError: it failed.
        """
        if self.cpuinfo is not None:
            path, content = self.cpuinfo
            path.parent.mkdir(exist_ok=True)
            path.write_text(content, encoding="utf-8")
        done = subprocess.run(
            [*self.command, *map(str, arguments)],
            check=False,
            cwd=ROOT,
            env={**os.environ, **self.environment, **environment},
            stderr=subprocess.PIPE,
            text=True,
        )
        if done.returncode != 0:
            sys.stderr.write(done.stderr)
            done.check_returncode()
        return done.stderr


def here(operators: str) -> Processor:
    """Return this processor, by one of the instruction sets that it runs."""
    return Processor(name=f"this one by {operators}", environment={"TWINLENS_OPERATORS": operators})


def x86(model: str, qemu: Path | None) -> Processor:
    """Return an emulated x86-64 processor, with this Python."""
    # numpy's own kernels ask for more than older processors have: its baseline is x86-64-v2.
    return Processor(
        name=model, command=(_qemu("qemu-x86_64", qemu), "-cpu", model, sys.executable)
    )


def arm(model: str, root: Path, qemu: Path | None, *options: str) -> Processor:
    """Return an emulated ARM processor, with the Python of a root of `arm_root.py`.

    Args:
        model: as qemu names it, perhaps with features: "max,sve=off,sme=off".
        root: the root.
        qemu: folder of qemu's programs, if not on the path.
        options: more of qemu's.
    """
    emulator = (_qemu("qemu-aarch64", qemu), "-cpu", model, "-L", str(root), *options)
    return Processor(
        name=model,
        command=(*emulator, str(python_of(root))),
        environment={"PYTHONPATH": str(site_of(root))},
        cpuinfo=(root / "proc" / "cpuinfo", CPUINFO.format(part=PARTS[model.partition(",")[0]])),
    )


def python_of(root: Path) -> Path:
    """Return the Python of a root of Debian."""
    return next(iter(sorted((root / "usr" / "bin").glob("python3.*"))))


def site_of(root: Path) -> Path:
    """Return the folder of the packages beside a root's Python."""
    return root / "site"


def note_sources(root: Path, sources: str) -> None:
    """Note the digest of the sources that the twinlens of a root was compiled of."""
    _note(root).write_text(sources, encoding="utf-8")


def require_sources(root: Path) -> None:
    """Refuse a root whose twinlens is not of the sources that are checked out.

    Raises:
        SystemExit: it was compiled of others, or is not there.
    """
    note = _note(root)
    if not note.exists() or note.read_text(encoding="utf-8") != digest():
        raise SystemExit(
            f"{root}: its twinlens is not of the sources checked out, whose commit the results "
            f"would name; run: python -m bench.processors.arm_root {root}"
        )


def _note(root: Path) -> Path:
    return site_of(root) / "twinlens-sources.txt"


def _qemu(name: str, folder: Path | None) -> str:
    found = shutil.which(name, path=None if folder is None else str(folder))
    if found is None:
        raise FileNotFoundError(f"{name} is not installed; Debian has it in qemu-user")
    return found
