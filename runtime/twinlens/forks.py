"""Forks of this process: no call of a library is cut in two, and no lock stays locked."""

import ctypes
import os
import threading
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final, Protocol
from weakref import WeakSet

LONGEST_WAIT_S: Final = 60.0
"""Longest time that a fork waits for the calls of other threads."""


class Renewed(Protocol):
    """Object whose state does not survive a fork."""

    def renew(self, *, torn: bool) -> None:
        """Replace the state, in the child, which has but one thread yet.

        Args:
            torn: True if a call of another thread was cut in two by the fork.
        """


class _Calls:
    """Calls into a library, by thread; a fork waits for those of other threads."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._forking: int | None = None
        """Thread that forks."""
        self._depths: Counter[int] = Counter()

    @contextmanager
    def one(self) -> Generator[None]:
        me = threading.get_ident()
        with self._changed:
            if not self._depths[me]:
                self._changed.wait_for(lambda: self._forking in (None, me))
            self._depths[me] += 1
        try:
            yield
        finally:
            with self._changed:
                self._depths[me] -= 1
                if not self._depths[me]:
                    del self._depths[me]
                    self._changed.notify_all()

    def before_fork(self) -> None:
        me = threading.get_ident()
        with self._changed:
            self._changed.wait_for(lambda: self._forking in (None, me), timeout=LONGEST_WAIT_S)
            self._forking = me
            self._changed.wait_for(lambda: not self._others(me), timeout=LONGEST_WAIT_S)

    def after_in_parent(self) -> None:
        with self._changed:
            self._forking = None
            self._changed.notify_all()

    def after_in_child(self) -> None:
        me = threading.get_ident()
        torn = self._others(me)
        self._changed = threading.Condition()
        self._forking = None
        self._depths = Counter({me: self._depths[me]}) if self._depths[me] else Counter()
        for renewed in tuple(_RENEWED):
            renewed.renew(torn=torn)

    def _others(self, me: int) -> bool:
        return any(thread != me for thread in self._depths)


class ForkedLock:
    """Lock that is free in a forked child, whoever held it in the parent."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        renew_in_children(self)

    def renew(self, *, torn: bool) -> None:  # noqa: ARG002  as of `Renewed`
        """Replace the lock."""
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()


_RENEWED: Final[WeakSet[Renewed]] = WeakSet()
_CALLS: Final = _Calls()

call = _CALLS.one
"""Context of one call of a library: a fork by another thread waits until it has ended.

Python's own locks, and those inside the library, are then free in the child."""


def keep_for_ever(thing: object) -> None:
    """Let an object never be destroyed, not even when the interpreter ends."""
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(thing))


def renew_in_children(renewed: Renewed) -> None:
    """Let an object be renewed in every child that is forked while the object lives."""
    _RENEWED.add(renewed)


if hasattr(os, "register_at_fork"):  # not on Windows, which does not fork
    os.register_at_fork(
        before=_CALLS.before_fork,
        after_in_parent=_CALLS.after_in_parent,
        after_in_child=_CALLS.after_in_child,
    )
