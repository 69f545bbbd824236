"""Progress of an export: the work that is done, the work in all, and a line on stderr."""

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence, Sized
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final, TextIO, TypeVar, overload

T = TypeVar("T", bound=Sized)

TERMINAL_S: Final = 0.5
LINE_S: Final = 20.0
"""Seconds between two lines in a terminal, which replace each other, and elsewhere."""
FIRST_SHARE: Final = 0.02
"""Share of the work from which on the time left is told: the first runs are slower."""


@dataclass(slots=True)
class Work:
    """Steps of an export, planned and done, by their cost in any unit."""

    plan: Mapping[str, float] = field(default_factory=dict)
    """Cost of each planned step."""
    step: str = "reading the checkpoint"
    note: str = ""
    """More about the step at work."""
    done: float = 0.0
    """Cost of the steps that are over, and of the part of the step at work."""
    started: float = field(default_factory=time.monotonic)
    _unplanned: float = 0.0
    _end: float = 0.0

    @property
    def total(self) -> float:
        """Cost of all steps, those included that nobody had planned."""
        return sum(self.plan.values()) + self._unplanned

    def planned(self, plan: Mapping[str, float]) -> None:
        """Set the plan; the time left is reckoned from here."""
        self.plan, self.started = plan, time.monotonic()

    @contextmanager
    def during(self, step: str) -> Iterator[None]:
        """Tell of a planned step; at its end all its cost counts as done."""
        self.step, self.note, self._end = step, "", self.done + self.plan[step]
        yield
        self.done, self.note = self._end, ""

    def expect(self, cost: float) -> None:
        """Let the step at work end after that much more, whatever was planned."""
        change = self.done + cost - self._end
        self._unplanned += change
        self._end += change

    def advance(self, cost: float) -> None:
        """Count a part of the step at work."""
        self.done = min(self.done + cost, self._end)

    def counted(self, batches: Sequence[T], cost_of: Callable[[T], float]) -> Sequence[T]:
        """Return the same batches, each of which counts when the next one is drawn."""
        return _Counted(batches, self, cost_of)

    def line(self) -> str:
        """Return the share of the work that is done, the step at work, and the time left."""
        step = f"{self.step} ({self.note})" if self.note else self.step
        if not self.plan:
            return step
        # The steps' parts may add up to a little more than their sum.
        share = min(self.done / self.total, 1.0) if self.total else 0.0
        if share < FIRST_SHARE:
            return f"{share:.0%}, {step}"
        left = (time.monotonic() - self.started) * (1 / share - 1)
        return f"{share:.0%}, {step}, {_duration(left)} left"


class _Counted(Sequence[T]):
    """Batches that count as done, one after the other, whenever they are walked through."""

    def __init__(self, batches: Sequence[T], work: Work, cost_of: Callable[[T], float]) -> None:
        self._batches, self._work, self._cost_of = batches, work, cost_of

    def __len__(self) -> int:
        return len(self._batches)

    @overload
    def __getitem__(self, place: int) -> T: ...

    @overload
    def __getitem__(self, place: slice) -> Sequence[T]: ...

    def __getitem__(self, place: int | slice) -> T | Sequence[T]:
        if isinstance(place, slice):
            return _Counted(self._batches[place], self._work, self._cost_of)
        return self._batches[place]

    def __iter__(self) -> Iterator[T]:
        for batch in self._batches:
            yield batch
            self._work.advance(self._cost_of(batch))


@contextmanager
def told(work: Work, *, shown: bool, stream: TextIO | None = None) -> Iterator[None]:
    """Write lines of the work on a stream, stderr by default, during the body of `with`."""
    if not shown:
        yield
        return
    lines = _Lines(work, sys.stderr if stream is None else stream)
    thread = threading.Thread(target=lines.follow, daemon=True)
    thread.start()
    try:
        yield
    finally:
        lines.over.set()
        thread.join()


class _Lines:
    def __init__(self, work: Work, stream: TextIO) -> None:
        self.over = threading.Event()
        self._work, self._stream = work, stream
        self._terminal = stream.isatty()

    def follow(self) -> None:
        interval = TERMINAL_S if self._terminal else LINE_S
        while not self.over.wait(interval):
            line = f"twinlens-export: {self._work.line()}"
            self._write(f"\r\033[K{line}" if self._terminal else f"{line}\n")
        if self._terminal:
            self._write("\r\033[K")

    def _write(self, text: str) -> None:
        # A reader that has gone away must not end the work.
        with contextlib.suppress(OSError, ValueError):
            self._stream.write(text)
            self._stream.flush()


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 99.5 else f"{seconds / 60:.0f} min"
