"""Processor time, memory and descriptors of a server and of all its children, from /proc."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

TICKS_A_SECOND: Final = os.sysconf("SC_CLK_TCK")
PROC: Final = Path("/proc")


def family(pid: int) -> list[int]:
    """Return a process and all its descendants."""
    children: dict[int, list[int]] = {}
    for folder in PROC.iterdir():
        if folder.name.isdecimal():
            try:
                parent = int(_stat(int(folder.name))[1])
            except OSError:
                continue
            children.setdefault(parent, []).append(int(folder.name))
    return list(_walk(pid, children))


def _walk(pid: int, children: dict[int, list[int]]) -> Iterator[int]:
    yield pid
    for child in children.get(pid, []):
        yield from _walk(child, children)


def _stat(pid: int) -> list[str]:
    """Return the fields of /proc/PID/stat behind the name, which may hold anything."""
    return (PROC / str(pid) / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()


def cpu_s(pid: int) -> float:
    """Return the seconds that a process, its living children and those it waited for have used."""
    total = 0
    for one in family(pid):
        try:
            # utime, stime, cutime, cstime.
            total += sum(map(int, _stat(one)[11:15]))
        except OSError:
            continue
    return total / TICKS_A_SECOND


def memory_mb(pid: int) -> float:
    """Return the resident memory of a family's own in MB of 10**6 bytes, shared pages once.

    Mapped files are left out: their share falls when another process maps the same library.
    """
    total = 0
    for one in family(pid):
        try:
            lines = (PROC / str(one) / "smaps_rollup").read_text(encoding="utf-8").splitlines()
        except OSError:
            continue
        total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss_Anon:"))
    return round(total * 1024 / 1e6, 1)


def descriptors(pid: int) -> int:
    """Return the number of open descriptors of a family."""
    return sum(len(list((PROC / str(one) / "fd").iterdir())) for one in family(pid))


def threads(pid: int) -> int:
    """Return the number of threads of a family."""
    return sum(len(list((PROC / str(one) / "task").iterdir())) for one in family(pid))
