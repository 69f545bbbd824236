"""Memory of this process."""

from pathlib import Path


def memory_mb(field: str) -> float:
    """Return a field of /proc/self/status in MB of 10**6 bytes; NaN where there is none.

    "VmRSS" is resident now, "VmHWM" the most so far; "RssAnon" leaves mapped files out, "RssFile"
    counts them alone.
    """
    for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024 / 1e6
    return float("nan")
