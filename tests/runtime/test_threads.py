import os
from pathlib import Path

import pytest

from twinlens import threads
from twinlens.threads import quota_cpus, read_threads, usable_threads

UNLIMITED = 1000


def write(path: Path, content: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)


def quota(folder: Path, groups: str) -> float:
    write(folder / "cgroup", groups)
    return quota_cpus(groups=folder / "cgroup", mount=folder / "mount")


def test_version_2_takes_the_smallest_quota_on_the_way_up(tmp_path: Path) -> None:
    write(tmp_path / "mount/cpu.max", "max 100000\n")
    write(tmp_path / "mount/a/cpu.max", "150000 100000\n")
    write(tmp_path / "mount/a/b/cpu.max", "400000 100000\n")
    assert quota(tmp_path, "0::/a/b\n") == 1.5


def test_version_2_inside_a_container_reads_the_root(tmp_path: Path) -> None:
    write(tmp_path / "mount/cpu.max", "200000 100000\n")
    assert quota(tmp_path, "0::/\n") == 2
    assert quota(tmp_path, "0::/of/the/host\n") == 2


@pytest.mark.parametrize("folder", ["cpu,cpuacct", "cpu"])
def test_version_1_reads_quota_and_period(tmp_path: Path, folder: str) -> None:
    write(tmp_path / f"mount/{folder}/cpu.cfs_quota_us", "300000\n")
    write(tmp_path / f"mount/{folder}/cpu.cfs_period_us", "100000\n")
    assert quota(tmp_path, "4:memory:/x\n2:cpu,cpuacct:/x\n") == 3


def test_no_quota_is_no_bound(tmp_path: Path) -> None:
    write(tmp_path / "mount/cpu/cpu.cfs_quota_us", "-1\n")
    write(tmp_path / "mount/cpu/cpu.cfs_period_us", "100000\n")
    write(tmp_path / "mount/cpu.max", "max 100000\n")
    assert quota(tmp_path, "2:cpu:/\n0::/\n") > UNLIMITED
    assert quota_cpus(groups=tmp_path / "absent", mount=tmp_path) > UNLIMITED


@pytest.mark.parametrize(("granted", "wanted"), [(0.2, 1), (1.9, 1), (1e6, 3)])
def test_threads_follow_affinity_and_quota_but_are_never_none(
    monkeypatch: pytest.MonkeyPatch, granted: float, wanted: int
) -> None:
    monkeypatch.setattr(threads, "quota_cpus", lambda **_: granted)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 5}, raising=False)
    assert usable_threads() == wanted


@pytest.mark.parametrize(("cpus", "most"), [(1, 16), (2, 16), (5, 20), (64, 256), (1000, 1024)])
def test_threads_far_above_the_cpus_are_refused(
    monkeypatch: pytest.MonkeyPatch, cpus: int, most: int
) -> None:
    monkeypatch.setattr(threads, "usable_threads", lambda: cpus)
    assert read_threads(None) == cpus
    for number in (1, cpus, most):
        assert read_threads(number) == number
    for number in (0, -1, most + 1, 10**400):
        with pytest.raises(ValueError, match=f"not between 1 and {most}: .* may use {cpus} CPUs"):
            read_threads(number)
