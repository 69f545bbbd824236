"""Work done ahead: threads keep a bounded number of answers ready, in order."""

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

Q = TypeVar("Q")
A = TypeVar("A")


def prefetch(
    work: Callable[[Q], A], items: Iterable[Q], *, threads: int, waiting: int
) -> Generator[A]:
    """`work` of every item, in their order.

    The items are read by the thread that asks for the answers, one item for each answer, so no more
    than `waiting` are ever between the two. What `work` or the items raise comes through. However
    it ends, by exhaustion, an error, an interrupt or `close()`, what has begun is finished, what
    waits is dropped, and no thread is left.
    """
    source = iter(items)
    pool = ThreadPoolExecutor(threads, thread_name_prefix="twinlens")
    try:
        pending = deque(pool.submit(work, item) for item in islice(source, waiting))
        while pending:
            answer = pending.popleft().result()
            pending.extend(pool.submit(work, item) for item in islice(source, 1))
            yield answer
    finally:
        pool.shutdown(cancel_futures=True)
