"""Use of this process: memory, and CPU time with that of its ended children."""

import os
import sys
from pathlib import Path
from typing import Final

STATUS: Final = Path("/proc/self/status")


def cpu_s() -> float:
    """Return the CPU seconds of this process, all threads and ended children together."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def memory_mb(field: str) -> float | None:
    """Return a field of /proc/self/status in MB of 10**6 bytes; None where there is none.

    "VmRSS" is resident now, "VmHWM" the most so far, "RssAnon" leaves mapped files out.
    """
    try:
        lines = STATUS.read_text(encoding="ascii").splitlines()
    except OSError:
        return _most_mb() if field == "VmHWM" else None
    for line in lines:
        if line.startswith(f"{field}:"):
            return round(int(line.split()[1]) * 1024 / 1e6, 1)
    return None


def _most_mb() -> float | None:
    try:
        import resource  # noqa: PLC0415  Unix has it
    except ImportError:
        return None
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(most / 1e6 if sys.platform == "darwin" else most * 1024 / 1e6, 1)
