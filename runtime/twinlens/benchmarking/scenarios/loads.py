"""Loads: queries that arrive by a schedule, and queries that follow upon answers."""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal, Protocol

LoadQuery = Literal["text", "image", "bulk"]
TAIL_S: Final = 5.0
"""Time that the last queries have to be answered."""
AHEAD_S: Final = 0.02
"""Time until the first arrival may be due."""
SPIN_S: Final = 5e-5
"""Shorter waits than a thread can sleep."""


class Asker(Protocol):
    """A target that any number of tasks may ask at once."""

    async def ask(self, query: LoadQuery, number: int) -> bool:
        """Ask the query of a number; True if it was answered with rows."""


@dataclass(slots=True, kw_only=True)
class Arrival:
    """One query and its end, in seconds of the run."""

    due: float
    sent: float = 0.0
    ended: float | None = None
    answered: bool = False

    def latency_ms(self) -> float | None:
        """Return the time from the scheduled arrival; None if there was no answer."""
        ended = self.ended if self.answered else None
        return None if ended is None else 1e3 * (ended - self.due)


class OpenLoop:
    """Queries that are sent when they are due, whether or not earlier ones are answered.

    Latencies count from the scheduled arrival. A generator that waits for answers, or counts from
    the sending, leaves out the very queries that a stall delays (coordinated omission).
    """

    def __init__(
        self,
        ask: Callable[[int], Awaitable[bool]],
        due: Sequence[float],
        *,
        late_ms: float,
        most_late: int | None = None,
    ) -> None:
        """Plan a run.

        Args:
            ask: asks the query of a number.
            due: ascending seconds of the arrivals.
            late_ms: a latency beyond it is over the bound.
            most_late: queries over the bound after which it ends early; None for never.
        """
        self._ask, self._late_s = ask, late_ms / 1e3
        self._most_late = len(due) if most_late is None else most_late
        self._planned = [Arrival(due=second) for second in due]
        self._tasks: set[asyncio.Task[None]] = set()
        self._begun, self._n_sent, self._n_late = 0.0, 0, 0
        self._over = threading.Event()
        self._paced = asyncio.Event()

    @property
    def is_cut(self) -> bool:
        """True if it ended early."""
        return self._n_late > self._most_late

    async def run(self) -> list[Arrival]:
        """Send every query when it is due; return those that were sent, with their ends."""
        loop = asyncio.get_running_loop()
        self._begun = time.perf_counter() + AHEAD_S
        # In a thread, for a loop's own timers are rounded up to whole milliseconds.
        thread = threading.Thread(target=self._pace, args=(loop,), daemon=True)
        thread.start()
        try:
            await self._paced.wait()
            if self._tasks and not self.is_cut:
                await asyncio.wait(self._tasks, timeout=TAIL_S)
        finally:
            self._over.set()
            thread.join()
            waiting = [*self._tasks]
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)
        return self._planned[: self._n_sent]

    def _pace(self, loop: asyncio.AbstractEventLoop) -> None:
        for number, arrival in enumerate(self._planned):
            wait = self._begun + arrival.due - time.perf_counter()
            # An end that comes early must not wait for the next arrival.
            if self._over.wait(wait) if wait > SPIN_S else self._over.is_set():
                return
            if self.is_cut:
                break
            loop.call_soon_threadsafe(self._fire, number)
        loop.call_soon_threadsafe(self._paced.set)

    def _fire(self, number: int) -> None:
        if self._over.is_set():
            return
        self._n_sent = number + 1
        oldest = number - len(self._tasks)
        if oldest >= 0 and len(self._tasks) > self._most_late:
            self._count_waiting()
        task = asyncio.get_running_loop().create_task(self._one(number))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _count_waiting(self) -> None:
        """End early if the queries that wait are over the bound already, though not answered."""
        now = time.perf_counter() - self._begun
        waiting = [one for one in self._planned[: self._n_sent] if one.ended is None]
        late = sum(now - one.due > self._late_s for one in waiting)
        if late > self._most_late:
            self._n_late = max(self._n_late, late)

    async def _one(self, number: int) -> None:
        arrival = self._planned[number]
        arrival.sent = time.perf_counter() - self._begun
        arrival.answered = await self._ask(number)
        arrival.ended = time.perf_counter() - self._begun
        if not arrival.answered or arrival.ended - arrival.due > self._late_s:
            self._n_late += 1


async def closed_loop(
    ask: Callable[[int], Awaitable[bool]], *, callers: int, seconds: float
) -> list[tuple[float, float]]:
    """Let callers ask again as soon as they are answered; return begin and end of each answer.

    Seconds are of `time.perf_counter`. A caller ends with its last answer after the time is over,
    or with its first failure.
    """
    until = time.perf_counter() + seconds
    numbers = iter(range(2**62))
    spans: list[tuple[float, float]] = []

    async def caller() -> None:
        while (begun := time.perf_counter()) < until:
            if not await ask(next(numbers)):
                return
            spans.append((begun, time.perf_counter()))

    await asyncio.gather(*(caller() for _ in range(callers)))
    return spans
