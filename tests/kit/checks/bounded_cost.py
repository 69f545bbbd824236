"""A bound on the time and memory of a block of code."""

import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def little_time_and_memory() -> Iterator[None]:
    """Assert that the block takes less than 1 s and raises the peak memory by less than 100 MB."""
    began, peak_kib = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield
    assert time.perf_counter() - began < 1
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak_kib < 100_000
