"""Prefetch: in order, bounded, and no thread is left, for every way in which it ends."""

import threading
import time
from collections.abc import Iterator
from contextvars import ContextVar

import pytest

from twinlens.embedding.prefetch import prefetch


def test_answers_come_in_order_whoever_is_slow() -> None:
    def work(number: int) -> int:
        time.sleep(0.002 * (number % 3))
        return number * number

    assert list(prefetch(work, range(40), threads=4, waiting=8)) == [n * n for n in range(40)]
    assert list(prefetch(work, [], threads=4, waiting=8)) == []


def test_no_more_than_asked_for_is_read_ahead() -> None:
    answered = 0
    furthest = 0

    def items() -> Iterator[int]:
        nonlocal furthest
        for number in range(100):
            furthest = max(furthest, number - answered)
            yield number

    for _ in prefetch(lambda number: number, items(), threads=3, waiting=7):
        answered += 1
    assert (answered, furthest) == (100, 7)


def test_the_threads_work_side_by_side() -> None:
    together = threading.Barrier(3, timeout=10)
    # Each waits for the two others: with fewer threads than three nobody would ever pass.
    assert len(list(prefetch(lambda _: together.wait(), range(9), threads=3, waiting=6))) == 9


def mine() -> list[str]:
    names = [thread.name for thread in threading.enumerate()]
    # A service that other tests share keeps its threads.
    return [name for name in names if name.startswith("twinlens") and name != "twinlens-serving"]


class Stop(BaseException):
    """As KeyboardInterrupt: no Exception."""


@pytest.mark.parametrize("error", [ValueError, Stop, KeyboardInterrupt])
@pytest.mark.parametrize("where", ["work", "items", "consumer"])
def test_after_an_error_no_thread_is_left(error: type[BaseException], where: str) -> None:
    begun: list[int] = []

    def items() -> Iterator[int]:
        for number in range(1000):
            if where == "items" and number == 20:
                raise error
            yield number

    def work(number: int) -> int:
        begun.append(number)
        if where == "work" and number == 20:
            raise error
        return number

    def consume() -> None:
        for number in prefetch(work, items(), threads=3, waiting=6):
            if where == "consumer" and number == 20:
                raise error

    with pytest.raises(error):
        consume()
    assert mine() == []
    assert len(begun) < 30


def test_a_closed_or_forgotten_generator_leaves_no_thread() -> None:
    answers = prefetch(lambda number: number, range(1000), threads=3, waiting=6)
    assert next(answers) == 0
    assert len(mine()) > 0
    answers.close()
    assert mine() == []
    answers = prefetch(lambda number: number, range(1000), threads=3, waiting=6)
    next(answers)
    del answers
    assert mine() == []


def test_the_threads_work_in_the_context_of_the_consumer() -> None:
    given: ContextVar[int] = ContextVar("given", default=0)
    given.set(7)
    found = prefetch(lambda number: number * given.get(), range(5), threads=2, waiting=3)
    assert list(found) == [0, 7, 14, 21, 28]


@pytest.mark.parametrize("started", [0, 1])
def test_no_more_threads_is_out_of_memory(monkeypatch: pytest.MonkeyPatch, started: int) -> None:
    """As pthread_create fails under a limit on memory or on threads."""
    start, threads = threading.Thread.start, iter(range(started))

    def limited(thread: threading.Thread) -> None:
        if next(threads, None) is None:
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", limited)
    busy = threading.Event()
    with pytest.raises(MemoryError, match="can't start new thread: free memory, or raise the lim"):
        list(prefetch(lambda _: busy.wait(0.1), range(9), threads=3, waiting=6))
