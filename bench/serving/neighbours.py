"""Load that is not ours: other processes of this machine, and others of its host."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

FIELDS = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal")


@dataclass(frozen=True, slots=True)
class Neighbours:
    """Reading of the machine's own counters; a difference of two says who else was busy."""

    ticks: dict[str, int]
    load: float

    @classmethod
    def read(cls) -> Self:
        line = Path("/proc/stat").read_text(encoding="utf-8").split("\n", 1)[0]
        ticks = dict(zip(FIELDS, map(int, line.split()[1:]), strict=False))
        return cls(ticks, os.getloadavg()[0])

    def since(self, before: "Neighbours", ours_cpu_s: float) -> dict[str, Any]:
        """Return shares of the cores' time since another reading.

        `others` is what processes that are not ours have used, `steal` what the host took.
        """
        spent = {name: self.ticks[name] - before.ticks[name] for name in FIELDS}
        total = sum(spent.values()) or 1
        rate = os.sysconf("SC_CLK_TCK")
        busy = total - spent["idle"] - spent["iowait"] - spent["steal"]
        others = max(0.0, busy / rate - ours_cpu_s) / (total / rate)
        return {
            "load_before": round(before.load, 2),
            "load_after": round(self.load, 2),
            "steal": round(spent["steal"] / total, 4),
            "others": round(others, 4),
        }
