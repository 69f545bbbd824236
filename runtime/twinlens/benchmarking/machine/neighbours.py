"""Load that is not ours: other processes of this machine, others of its host, and the quota."""

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from twinlens.benchmarking.machine.resources import cpu_s

STAT: Final = Path("/proc/stat")
THROTTLED: Final = (
    Path("/sys/fs/cgroup/cpu.stat"),
    Path("/sys/fs/cgroup/cpu/cpu.stat"),
)
"""Counts of a quota, of cgroup version 2 and 1."""
FIELDS: Final = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal")


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbours:
    """Shares of all cores' time, and the time stopped by the quota, over a span."""

    seconds: float
    load_before: float | None = None
    """Processes that ran or waited, in the mean of the minute before."""
    load_after: float | None = None
    others: float | None = None
    """Share of the cores' time that processes other than ours have used."""
    steal: float | None = None
    """Share that the host gave to other machines."""
    throttled_s: float | None = None
    """Time for which the quota of the cgroup stopped it."""

    @property
    def words(self) -> str:
        """The load in one line, for a report."""
        if self.others is None or self.steal is None:
            return "not told by this system"
        throttled = f", {self.throttled_s:.1f} s throttled" if self.throttled_s else ""
        load = "" if self.load_after is None else f", load average {self.load_after:.2f} at the end"
        return (
            f"{self.others:.0%} of the cores' time taken by other processes, "
            f"{self.steal:.1%} by the host{throttled}{load}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """Counters of the machine at one moment; the difference of two is a `Neighbours`."""

    at: float
    load: float | None
    ticks: tuple[int, ...]
    ours_s: float
    throttled_s: float | None

    @classmethod
    def take(cls) -> "Reading":
        """Read the counters now."""
        return cls(
            at=time.monotonic(),
            load=os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
            ticks=_ticks(),
            ours_s=cpu_s(),
            throttled_s=_throttled_s(),
        )

    def since(self, before: "Reading") -> Neighbours:
        """Return the load between an earlier reading and this one."""
        spent = dict(
            zip(
                FIELDS, (a - b for a, b in zip(self.ticks, before.ticks, strict=True)), strict=False
            )
        )
        others = steal = None
        if spent:
            ticks_a_second = os.sysconf("SC_CLK_TCK")
            total = max(1, sum(spent.values()))
            busy = total - spent["idle"] - spent["iowait"] - spent["steal"]
            ours = (self.ours_s - before.ours_s) * ticks_a_second
            others = round(max(0.0, busy - ours) / total, 4)
            steal = round(max(0, spent["steal"]) / total, 4)
        both = self.throttled_s is not None and before.throttled_s is not None
        return Neighbours(
            seconds=round(self.at - before.at, 2),
            load_before=_rounded(before.load),
            load_after=_rounded(self.load),
            others=others,
            steal=steal,
            throttled_s=round((self.throttled_s or 0) - (before.throttled_s or 0), 3)
            if both
            else None,
        )


def _ticks() -> tuple[int, ...]:
    try:
        first = STAT.read_text(encoding="ascii").split("\n", 1)[0]
    except OSError:  # not Linux
        return ()
    return tuple(int(word) for word in first.split()[1 : len(FIELDS) + 1])


def _throttled_s() -> float | None:
    for file in THROTTLED:
        try:
            words = dict(line.split() for line in file.read_text(encoding="ascii").splitlines())
        except (OSError, ValueError):
            continue
        if "throttled_usec" in words:
            return int(words["throttled_usec"]) / 1e6
        if "throttled_time" in words:
            return int(words["throttled_time"]) / 1e9
    return None


def _rounded(load: float | None) -> float | None:
    return None if load is None else round(load, 2)
