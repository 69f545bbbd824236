"""Number of usable threads: the process's CPU affinity, within its container's quota."""

import os
from pathlib import Path
from typing import Final

from twinlens.errors import quoted

_GROUPS = Path("/proc/self/cgroup")
_MOUNT = Path("/sys/fs/cgroup")
_NO_QUOTA = float(2**20)  # more CPUs than any machine has


MOST_THREADS: Final = 1024
THREADS_A_CPU: Final = 4
"""Largest number of threads for each usable CPU: more wait for each other, and start slowly: a
load with 1,000 on two CPUs takes half a minute to a minute, and 100,000 take the machine."""
ALWAYS_ALLOWED: Final = 16
"""Number of threads that a small machine bears, so that one setting serves several."""


def most_threads() -> int:
    """Return the largest number of threads that may be asked for on this machine."""
    return min(MOST_THREADS, max(ALWAYS_ALLOWED, THREADS_A_CPU * usable_threads()))


def read_threads(threads: int | None) -> int:
    """Return a number of threads as given, or for None that of the usable CPUs.

    Raises:
        ValueError: it is no positive integer, or far above the usable CPUs.
    """
    usable = usable_threads()
    if threads is None:
        return usable
    most = most_threads()
    if not isinstance(threads, int) or isinstance(threads, bool) or not 1 <= threads <= most:
        raise ValueError(
            f"threads is {quoted(repr(threads))}, not between 1 and {most}: this process may use "
            f"{usable} CPUs"
        )
    return threads


def usable_threads() -> int:
    """Return the CPUs of the affinity mask, or of the cgroup quota if that is less; at least 1."""
    return max(1, min(_affinity(), int(quota_cpus(groups=_GROUPS, mount=_MOUNT))))


def quota_cpus(*, groups: Path, mount: Path) -> float:
    """Return the smallest CPU quota of this process's cgroup and its parents, or a huge number.

    Args:
        groups: The process's cgroup file, of version 1, 2 or both.
        mount: Mount point of the cgroup file systems.
    """
    try:
        lines = groups.read_text().splitlines()
    except OSError:  # not Linux, or a sandbox without /proc
        return _NO_QUOTA
    quotas = [_NO_QUOTA]
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if not controllers:
            quotas += [_quota_v2(folder) for folder in _upwards(mount, path)]
        elif "cpu" in controllers.split(","):
            quotas += [_quota_v1(folder) for folder in _upwards(mount / controllers, path)]
            quotas += [_quota_v1(folder) for folder in _upwards(mount / "cpu", path)]
    return min(quotas)


def _affinity() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _upwards(root: Path, path: str) -> list[Path]:
    """Return the group's folder and its parents, up to `root`.

    In a container the path may be the host's and missing here; `root` is then the own group.
    """
    folder = root / path.lstrip("/")
    return [folder, *(parent for parent in folder.parents if parent.is_relative_to(root))]


def _quota_v2(folder: Path) -> float:
    """Read `cpu.max`: "QUOTA PERIOD" in microseconds, or "max PERIOD"."""
    return _ratio(_words(folder / "cpu.max"))


def _quota_v1(folder: Path) -> float:
    """Read two files of one number each; a quota of -1 is no quota."""
    return _ratio(_words(folder / "cpu.cfs_quota_us") + _words(folder / "cpu.cfs_period_us"))


def _ratio(words: list[str]) -> float:
    if len(words) != 2 or words[0] in {"max", "-1"}:
        return _NO_QUOTA
    return int(words[0]) / int(words[1])


def _words(file: Path) -> list[str]:
    try:
        return file.read_text().split()
    except OSError:
        return []
