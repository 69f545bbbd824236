"""Turns at the caller's own objects: one read of an object at a time, strangers in parallel.

PIL images are not thread-safe: concurrent reads of one silently corrupt its pixels. A binary file
has one position. The caller may give one object twice, in one call or in two.
"""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from twinlens.errors import ImageError


class _Read:
    """A read under way, and the reads that it waits for."""

    def __init__(self, within: "_Read | None") -> None:
        self._within = within
        self.awaited: list[_Read] = []

    def lineage(self) -> "list[_Read]":
        """This read and those that it takes place within, the innermost first."""
        return [self, *(self._within.lineage() if self._within else [])]

    def ends_after(self, others: "list[_Read]") -> bool:
        """Return True if this read is one of `others`, or waits for one of them."""
        return self in others or any(read.ends_after(others) for read in self.awaited)


_reads: dict[int, _Read] = {}
"""The read of each object that is being read, by the object's `id`; its reader keeps it alive."""
_turn = threading.Condition()
"""Guards `_reads`, and is held while they are looked at only, never during a read."""
_current: ContextVar[_Read | None] = ContextVar("_current", default=None)
"""Read that this thread works for; threads of `prefetch` inherit it from the thread that asks."""


@contextmanager
def turn_at(source: object) -> Iterator[None]:
    """Hold the only turn at an object; wait for it where another thread holds it.

    A read() that itself reads its own object, on this thread or on one of a model's, would wait for
    itself for ever; so would two that read each other's.

    Raises:
        ImageError: the turn cannot come before the caller's own read ends.
    """
    outer, key = _current.get(), id(source)
    lineage = outer.lineage() if outer else []
    with _turn:
        while (holder := _reads.get(key)) is not None:
            if holder.ends_after(lineage):
                raise ImageError(
                    f"the {type(source).__name__} is read while it is being read; "
                    "let its read() leave it alone"
                )
            _wait(holder, lineage)
        own = _reads[key] = _Read(outer)
    token = _current.set(own)
    try:
        yield
    finally:
        _current.reset(token)
        with _turn:
            # A child that was forked in mid-read has forgotten its parent's turns.
            if _reads.get(key) is own:
                del _reads[key]
            _turn.notify_all()


def _wait(holder: _Read, lineage: list[_Read]) -> None:
    for read in lineage:
        read.awaited.append(holder)
    try:
        _turn.wait()
    finally:
        for read in lineage:
            read.awaited.remove(holder)


def _forget() -> None:
    """Forget the turns of the parent's other threads, which a forked child does not have."""
    global _turn  # noqa: PLW0603  the condition itself may be held by a thread that is not here
    _turn = threading.Condition()
    _reads.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
