"""Scans of the index: a few at a time, each within the time of its request."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter
from typing import Final, TypeVar

from twinlens.errors import DeadlineError, OverloadedError
from twinlens.serving.working.thread_priority import lower_priority

T = TypeVar("T")

LEARNING: Final = 0.2
"""Part of a new measurement in the estimate."""


class Scans:
    """Threads that scan, and requests that wait for one. Used by the event loop alone.

    Args:
        threads: scans at a time.
        most_wait_s: estimated wait from which on a request is refused.
    """

    def __init__(self, *, threads: int, most_wait_s: float) -> None:
        self._threads, self._most_wait_s = threads, most_wait_s
        self._pool = ThreadPoolExecutor(
            threads, "twinlens-scan", initializer=lower_priority, initargs=("texts",)
        )
        self._free = asyncio.Semaphore(threads)
        self._query_s = 0.0
        self._queries = 0
        """Queries that wait or are at work."""

    def require_room(self) -> None:
        """Refuse a request while too much waits, before anything is embedded for it.

        Raises:
            OverloadedError: the estimated wait is too long.
        """
        wait_s = self._queries * self._query_s / self._threads
        if wait_s > self._most_wait_s:
            message = f"{self._queries} queries wait for the index, about {wait_s:.2f} s of work"
            raise OverloadedError(f"{message}; ask again then", retry_after_s=wait_s)

    async def run(self, act: Callable[[], T], *, queries: int, timeout_s: float) -> T:
        """Return the result of a scan for so many queries, which runs in a thread.

        A scan that has begun is not stopped: its thread is taken until it ends.

        Raises:
            DeadlineError: the time was over before it ended.
            OverloadedError: the estimated wait is too long.
        """
        self.require_room()
        self._queries += queries
        loop, is_begun = asyncio.get_running_loop(), False
        try:
            async with asyncio.timeout(timeout_s):
                await self._free.acquire()
                begun, is_begun = perf_counter(), True
                work = loop.run_in_executor(self._pool, act)
                work.add_done_callback(lambda done: self._end(done, queries, begun))
                return await asyncio.shield(work)
        except TimeoutError:
            cure = "allow more time, or ask for fewer queries"
            message = f"the index was not searched within {timeout_s:.2f} s; {cure}"
            raise DeadlineError(message) from None
        finally:
            if not is_begun:
                self._queries -= queries

    def close(self) -> None:
        """End the threads; a scan at work ends first."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _end(self, work: "asyncio.Future[T]", queries: int, begun: float) -> None:
        self._free.release()
        self._queries -= queries
        if work.cancelled() or work.exception() is not None:  # nobody may be there to ask for it
            return
        seen = (perf_counter() - begun) / queries
        self._query_s += (LEARNING if self._query_s else 1.0) * (seen - self._query_s)
