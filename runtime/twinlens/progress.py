"""Progress bar on stderr, made only where one is asked for."""

import threading
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from typing import Literal, TypeVar

T = TypeVar("T")


@contextmanager
def progress_bar(
    shown: bool,
    *,
    total: int | None,
    unit: Literal["image", "text"],
) -> Generator[Callable[[int], object]]:
    """Show a bar for the body of `with`, which calls the given function with each number done.

    Without a bar tqdm is not even imported. Its own lock is a semaphore that forked processes
    share: a worker killed while it holds it would halt its parent and all other workers for ever,
    and it settles the start method of multiprocessing. The bar has a lock of this process instead.
    """
    if not shown:
        yield _ignore
        return
    from tqdm import tqdm  # noqa: PLC0415  see above

    class Bar(tqdm):  # type: ignore[type-arg]  # not subscriptable at run time
        _lock = threading.RLock()

    with Bar(total=total, unit=unit) as bar:
        yield bar.update


def counted(items: Iterable[T], update: Callable[[int], object]) -> Generator[T]:
    """Yield the items, and count each."""
    for item in items:
        update(1)
        yield item


def _ignore(_: int) -> None:
    """Count nothing."""
