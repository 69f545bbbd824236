"""This process's memory."""

from pathlib import Path


def memory_mb(name: str) -> float:
    """Resident now ("VmRSS"), at most so far ("VmHWM"), or without mapped files ("RssAnon")."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return round(int(line.split()[1]) * 1024 / 1e6, 1)
    return float("nan")
