"""Threads that help a search leave its core, and may use every core of the process afterwards."""

import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from search_cases import MATRICES, mean_row

from twinlens_kernels import NATIVE, encode

if NATIVE:
    from twinlens_kernels import native

Ids = NDArray[np.int64]

TASKS = Path("/proc/self/task")
PATIENCE_S = 30.0

pytestmark = pytest.mark.skipif(
    not NATIVE or not TASKS.is_dir() or not hasattr(os, "sched_getaffinity"),
    reason="needs Linux and the compiled kernels",
)


@pytest.fixture
def search() -> Callable[[int], Ids]:
    """Return ids by that many threads, each of which takes a share of the queries."""
    random = np.random.default_rng(8)
    rows, queries = MATRICES["normal"](random, (4300, 70)), MATRICES["normal"](random, (60, 70))
    coded = native.coded_corpus(rows, encode(rows, centre=mean_row(rows)), None)
    return lambda threads: native.topk(queries, coded, 20, threads=threads)[0]


def test_helpers_may_use_every_core_again(search: Callable[[int], Ids]) -> None:
    allowed = os.sched_getaffinity(0)
    wanted = search(1)
    before = threads_at_rest()
    for turn in range(40):
        np.testing.assert_array_equal(search(3), wanted)
        time.sleep(turn % 3 * 1e-3)  # so that some calls meet helpers awake, and some asleep
    assert threads_here() - before, "no thread helped"
    until = time.monotonic() + PATIENCE_S
    while {*affinities()} != {frozenset(allowed)}:
        assert time.monotonic() < until, f"{[*affinities()]}, wanted {allowed}"
        time.sleep(0.01)


def test_a_caller_that_may_use_one_core(search: Callable[[int], Ids]) -> None:
    wanted = search(1)

    def bound() -> Ids:
        os.sched_setaffinity(threading.get_native_id(), {min(os.sched_getaffinity(0))})
        return np.stack([search(3) for _ in range(5)])

    with ThreadPoolExecutor(1) as pool:
        np.testing.assert_array_equal(pool.submit(bound).result(), np.stack([wanted] * 5))


def threads_at_rest() -> set[int]:
    """Return the ids of this process' threads when the helpers of earlier searches have ended."""
    until = time.monotonic() + PATIENCE_S
    seen = threads_here()
    while True:
        time.sleep(0.3)  # a helper stays for a tenth of a second
        if (now := threads_here()) == seen:
            return now
        assert time.monotonic() < until, "threads come and go"
        seen = now


def threads_here() -> set[int]:
    """Return the ids of this process' threads."""
    return {int(task.name) for task in TASKS.iterdir()}


def affinities() -> list[frozenset[int]]:
    """Return the cores of each thread; a thread that has just ended has none to tell."""
    found = []
    for thread in threads_here():
        try:
            found.append(frozenset(os.sched_getaffinity(thread)))
        except ProcessLookupError:
            continue
    return found
