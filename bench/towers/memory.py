"""This process's memory, of mapped files too."""

from pathlib import Path


def memory_mb(name: str) -> float:
    """Resident now ("VmRSS") or at most so far ("VmHWM")."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return round(int(line.split()[1]) * 1024 / 1e6, 1)
    return float("nan")
