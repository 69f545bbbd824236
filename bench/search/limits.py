"""Limits of the machine: bytes read a second from memory and from cache, int8 operations."""

import ctypes
import mmap
import platform
import shutil
import statistics
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

from bench.harness.results_log import ResultsLog
from bench.harness.timing import spent_by, wall_ms
from bench.search.cells import CorpusSetup

SOURCE = Path(__file__).with_name("limits.cpp")
ROUNDS = 9
MEMORY_BYTES = 2 << 30
CACHED_ROWS = 100_000


def known_limits(setup: CorpusSetup, log: ResultsLog) -> dict[str, float] | None:
    """Return the limits of a width and a thread count; measured once."""
    name = {"limits_of": {"width": setup.width, "threads": setup.threads}}
    line = log.find(name)
    if line is None:
        # As many bytes as the codes of 100,000 rows: what a small corpus reads from a large cache.
        padded = -(-setup.width // 64) * 64
        line = name | {"limits": measure_limits(setup.threads, CACHED_ROWS * padded)}
        log.add(line)
    return line["limits"]


def measure_limits(threads: int, cached_bytes: int) -> dict[str, float] | None:
    """Measure GB/s of reading 2 GiB, and `cached_bytes` again and again; int8 GOP/s a thread.

    Huge pages are asked for, as the system's defaults read 15 % less. None without a compiler, and
    elsewhere than on x86-64.
    """
    if shutil.which("c++") is None or platform.machine() not in {"x86_64", "AMD64"}:
        return None
    with tempfile.TemporaryDirectory() as work:
        library = Path(work) / "limits.so"
        flags = ("-O3", "-std=c++17", "-shared", "-fPIC", "-pthread")
        subprocess.run(["c++", *flags, SOURCE, "-o", library], check=True)
        native = ctypes.CDLL(str(library))
    return {
        "memory_gb_s": read_speed(native, MEMORY_BYTES, threads),
        "cached_gb_s": read_speed(native, cached_bytes, threads),
        "cached_mb": cached_bytes / 1e6,
        "vnni_gop_s_a_thread": speed(native.vnni_ops, 10_000_000),
        "amx_gop_s_a_thread": speed(native.amx_ops, 10_000_000),
    }


def read_speed(native: ctypes.CDLL, n_bytes: int, threads: int) -> float:
    """Return GB/s, the median of some rounds."""
    native.read_all.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    native.read_all.restype = ctypes.c_uint64
    area = mmap.mmap(-1, n_bytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    area.madvise(mmap.MADV_HUGEPAGE)
    for start in range(0, n_bytes, 4096):
        area[start] = 1
    view = (ctypes.c_char * n_bytes).from_buffer(area)
    address = ctypes.addressof(view)
    times = wall_ms(lambda: native.read_all(address, n_bytes, threads), ROUNDS)
    del view
    area.close()
    return n_bytes / statistics.median(times) / 1e6


def speed(operations: Callable[[int], float], rounds: int) -> float:
    """Return GOP/s of a function that returns the number of its operations, the best of 3."""
    operations.argtypes, operations.restype = [ctypes.c_int64], ctypes.c_double
    best = 0.0
    for _ in range(3):
        done, spent = spent_by(lambda: operations(rounds))
        best = max(best, done / spent.wall_ms / 1e6)
    return best
