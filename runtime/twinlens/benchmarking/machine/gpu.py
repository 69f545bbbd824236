"""Name, clocks and limits of an NVIDIA GPU, as nvidia-smi tells them."""

import shutil
import subprocess
from dataclasses import dataclass
from typing import Final

QUERIES: Final = {
    "name": "name",
    "driver": "driver_version",
    "sm_mhz": "clocks.sm",
    "most_sm_mhz": "clocks.max.sm",
    "memory_mhz": "clocks.mem",
    "power_w": "power.draw",
    "celsius": "temperature.gpu",
    "busy": "utilization.gpu",
    "throttled_by": "clocks_event_reasons.active",
}
PATIENCE_S: Final = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpu:
    """A GPU at one moment; a field that nvidia-smi does not know is as it says."""

    name: str
    driver: str
    sm_mhz: str
    most_sm_mhz: str
    memory_mhz: str
    power_w: str
    celsius: str
    busy: str
    """Percent of the last second in which a kernel ran."""
    throttled_by: str
    """Bits of the reasons for a lower clock, hexadecimal."""


def gpu(device: str) -> Gpu | None:
    """Return the GPU of a device such as "cuda:1"; None without nvidia-smi or its answer."""
    program = shutil.which("nvidia-smi")
    if program is None or not device.startswith("cuda"):
        return None
    number = device.partition(":")[2] or "0"
    command = [
        program,
        f"--id={number}",
        f"--query-gpu={','.join(QUERIES.values())}",
        "--format=csv,noheader,nounits",
    ]
    try:
        done = subprocess.run(  # noqa: S603  the program of the driver
            command, capture_output=True, text=True, check=True, timeout=PATIENCE_S
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return read_gpu(done.stdout)


def read_gpu(line: str) -> Gpu | None:
    """Return the GPU of a line of nvidia-smi's CSV; None if it has other fields."""
    words = (
        [word.strip() for word in line.strip().splitlines()[0].split(",")] if line.strip() else []
    )
    if len(words) != len(QUERIES):
        return None
    return Gpu(**dict(zip(QUERIES, words, strict=True)))
