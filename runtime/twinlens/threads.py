"""Number of usable threads: the process's CPU affinity, within its container's quota."""

import os
from pathlib import Path

_GROUPS = Path("/proc/self/cgroup")
_MOUNT = Path("/sys/fs/cgroup")
_NO_QUOTA = float(2**20)  # more CPUs than any machine has


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
