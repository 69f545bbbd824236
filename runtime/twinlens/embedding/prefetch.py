"""Prefetch: threads keep a bounded number of results ready, in order."""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from itertools import chain, islice
from typing import TypeVar

from twinlens.ort.memory.address_space import require_address_space, touch_exceptions

Item = TypeVar("Item")
Result = TypeVar("Result")


def prefetch(
    work: Callable[[Item], Result], items: Iterable[Item], *, threads: int, waiting: int
) -> Generator[Result]:
    """Yield `work(item)` of every item, in the order of the items.

    A single item is worked on by the consuming thread: to start and end a thread takes longer than
    the rest of a call of one small image, 0.3 of 0.4 ms.

    The consuming thread reads the items, one for each result, so at most `waiting` items are
    pending at any time. Exceptions of `work` and of the items reach the consumer. Whether it ends
    by exhaustion, an error, an interrupt or `close()`: running work is finished, pending work is
    dropped, and no thread is left. The threads work in the consumer's context (`contextvars`).

    Raises:
        MemoryError: no thread can be started, or the limit of this process's memory is near.
    """
    source = iter(items)
    first = list(islice(source, 2))
    if len(first) == 1:
        yield work(first.pop())
        return
    ready = chain(_emptied(first), source)
    pool = ThreadPoolExecutor(threads, thread_name_prefix="twinlens", initializer=touch_exceptions)

    def submit(item: Item, to_start: int) -> Future[Result]:
        # A thread that finds no memory as it begins is lost, and who started it waits for ever.
        require_address_space("a thread", threads=to_start)
        try:
            return pool.submit(copy_context().run, work, item)
        except RuntimeError as error:  # "can't start new thread"
            raise MemoryError(f"{error}: free memory, or raise the limit on threads") from error

    try:
        pending = deque(
            submit(item, to_start=max(threads - number, 0))
            for number, item in enumerate(islice(ready, waiting))
        )
        while pending:
            result = pending.popleft().result()
            pending.extend(submit(item, to_start=0) for item in islice(ready, 1))
            yield result
    finally:
        pool.shutdown(cancel_futures=True)


def _emptied(items: list[Item]) -> Iterator[Item]:
    """Yield the items of a list, which keeps none of them."""
    while items:
        yield items.pop(0)
