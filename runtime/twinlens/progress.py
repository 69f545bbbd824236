"""Progress: counts of a job at work, and a bar on stderr only where one is asked for."""

import threading
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeVar

T = TypeVar("T")

BAR_S: Final = 0.2
"""Seconds between two looks at a tally."""


@dataclass(slots=True)
class Tally:
    """Counts of items, which one thread changes and another may read."""

    drawn: int = 0
    """Items drawn from the source."""
    skipped: int = 0
    """Of them, those that need no work: finished before, repeated, or of another shard."""
    embedded: int = 0
    lost: int = 0
    total: int | None = None
    """Items of the source, where they could be counted."""

    @property
    def done(self) -> int:
        """Items with which the job has finished."""
        return self.skipped + self.embedded + self.lost


@contextmanager
def progress_bar(
    shown: bool,
    *,
    total: int | None,
    unit: Literal["image", "text", "s"],
) -> Generator[Callable[[int], object]]:
    """Show a bar for the body of `with`, which calls the given function with each number done.

    Without a bar tqdm is not even imported. Its own lock is a semaphore that forked processes
    share: a worker killed while it holds it would halt its parent and all other workers for ever,
    and it settles the start method of multiprocessing. The bar has a lock of this process instead.
    """
    if not shown:
        yield _ignore
        return
    with _bar(total, unit) as bar:
        yield bar.update


@contextmanager
def watched(
    shown: bool, tally: Tally, *, unit: Literal["image", "text"], interval_s: float = BAR_S
) -> Generator[None]:
    """Show a bar of a tally for the body of `with`: a thread looks at it now and then."""
    if not shown:
        yield
        return
    over = threading.Event()

    def draw() -> None:
        # What was finished before says nothing of the rate.
        bar.n, bar.initial, bar.total = tally.done, tally.skipped, tally.total
        bar.set_postfix({"lost": tally.lost} if tally.lost else {}, refresh=False)
        bar.refresh()

    def follow() -> None:
        while not over.wait(interval_s):
            draw()

    with _bar(tally.total, unit) as bar:
        thread = threading.Thread(target=follow, daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
            draw()


def _bar(total: int | None, unit: str) -> Any:  # noqa: ANN401  tqdm's bar
    from tqdm import tqdm  # noqa: PLC0415  see `progress_bar`

    class Bar(tqdm):  # type: ignore[type-arg]  # not subscriptable at run time
        _lock = threading.RLock()

    return Bar(total=total, unit=unit)


def counted(items: Iterable[T], update: Callable[[int], object]) -> Generator[T]:
    """Yield the items, and count each."""
    for item in items:
        update(1)
        yield item


def _ignore(_: int) -> None:
    """Count nothing."""
