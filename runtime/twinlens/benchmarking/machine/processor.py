"""Processor and its share that this process may use."""

import os
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from twinlens.threads import quota_cpus, usable_threads
from twinlens_kernels import PATH

CPUINFO: Final = Path("/proc/cpuinfo")
MEMINFO: Final = Path("/proc/meminfo")
GOVERNOR: Final = Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
GROUPS: Final = Path("/proc/self/cgroup")
MOUNT: Final = Path("/sys/fs/cgroup")
INSTRUCTIONS: Final = (
    "avx2", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16", "amx_int8", "amx_bf16", "asimd",
    "asimddp", "i8mm", "sve",
)  # fmt: skip
"""Instruction sets that decide on the speed of a tower, as Linux names them."""
NO_QUOTA: Final = 2.0**19
"""CPUs beyond which a quota is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """The machine, and the part of it that this process may use."""

    processor: str
    """Name, with family and model where the name is that of several."""
    instructions: tuple[str, ...]
    cores: int
    """Of the machine, as its system counts them."""
    affinity: tuple[int, ...]
    """CPUs on which this process may run."""
    quota_cpus: float | None = None
    """Limit of its cgroup; None without one."""
    usable_threads: int
    memory_gb: float | None = None
    governor: str | None = None
    system: str
    search_path: str
    """Instruction set of the search kernels; "numpy" where they are not compiled."""

    @classmethod
    def read(cls) -> "Machine":
        """Return the facts of this machine; those that its system does not tell are empty."""
        info = _fields(CPUINFO)
        flags = f"{info.get('flags', '')} {info.get('Features', '')}".split()
        quota = quota_cpus(groups=GROUPS, mount=MOUNT)
        affinity = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else ()
        return cls(
            processor=_name(info),
            instructions=tuple(name for name in INSTRUCTIONS if name in flags),
            cores=os.cpu_count() or 1,
            affinity=tuple(sorted(affinity)),
            quota_cpus=quota if quota < NO_QUOTA else None,
            usable_threads=usable_threads(),
            memory_gb=_memory_gb(),
            governor=_text(GOVERNOR),
            system=f"{platform.system()} {platform.release()}",
            search_path=PATH,
        )


def _fields(file: Path) -> dict[str, str]:
    """Return the first value of each name in lines such as "name : value"."""
    found: dict[str, str] = {}
    for line in (_text(file) or "").splitlines():
        name, _, value = line.partition(":")
        found.setdefault(name.strip(), value.strip())
    return found


def _name(info: dict[str, str]) -> str:
    """Return the processor's name; Linux calls every EPYC of a cloud "AMD EPYC"."""
    name = info.get("model name") or platform.processor() or platform.machine() or "unknown"
    family, model = info.get("cpu family"), info.get("model")
    return f"{name} (family {family}, model {model})" if family and model else name


def _memory_gb() -> float | None:
    words = _fields(MEMINFO).get("MemTotal", "").split()
    return round(int(words[0]) * 1024 / 1e9, 1) if words else None


def _text(file: Path) -> str | None:
    try:
        return file.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return None
