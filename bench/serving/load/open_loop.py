"""Open loop: requests arrive by a plan, whether or not earlier ones are answered.

A latency counts from the planned arrival. A generator that waits for answers, or counts from the
moment of sending, leaves out the very requests that a stall delays (coordinated omission).
"""

import asyncio
import random
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from bench.serving.load.askers import Asker, Outcome
from bench.serving.load.requests import Request

TAIL_S: Final = 30.0
"""Time that the last requests have to be answered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """Requests of one kind, and the plan of their arrivals."""

    name: str
    requests: Sequence[Request]
    rate: float
    """Requests a second."""
    arrivals: Literal["poisson", "even"] = "poisson"

    def plan(self, seconds: float, seed: int) -> Iterator[tuple[float, Request]]:
        """Yield the second and the request of each arrival."""
        draw = random.Random(f"{self.name} {seed}")
        due = 0.0
        while True:
            due += draw.expovariate(self.rate) if self.arrivals == "poisson" else 1 / self.rate
            if due >= seconds:
                return
            yield due, draw.choice(self.requests)


@dataclass(slots=True, kw_only=True)
class Sent:
    """One request that arrived, and its end; seconds of the run's own clock."""

    stream: str
    due: float
    sent: float = 0.0
    ended: float = float("nan")
    outcome: Outcome = field(default_factory=lambda: Outcome(0, "unanswered"))


async def run_open_loop(
    asker: Asker, streams: Sequence[Stream], *, seconds: float, seed: int
) -> list[Sent]:
    """Send every request when it is due, and return all of them with their ends."""
    plan = sorted(
        ((due, stream.name, request) for stream in streams for due, request in stream.plan(seconds, seed)),
        key=lambda arrival: arrival[0],
    )  # fmt: skip
    sent = [Sent(stream=name, due=due) for due, name, _ in plan]
    loop = asyncio.get_running_loop()
    tasks: set[asyncio.Task[None]] = set()
    begun = time.perf_counter() + 0.02

    async def one(number: int) -> None:
        mine = sent[number]
        mine.sent = time.perf_counter() - begun
        mine.outcome = await asker.ask(plan[number][2])
        mine.ended = time.perf_counter() - begun

    def fire(number: int) -> None:
        task = loop.create_task(one(number))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    def pace() -> None:
        # In a thread, for a loop's own timers are rounded up to whole milliseconds.
        for number, mine in enumerate(sent):
            wait = begun + mine.due - time.perf_counter()
            if wait > 0:
                time.sleep(wait)
            loop.call_soon_threadsafe(fire, number)

    thread = threading.Thread(target=pace, daemon=True)
    thread.start()
    await asyncio.sleep(seconds + 0.05)
    thread.join()
    await asyncio.sleep(0)
    if tasks:
        await asyncio.wait(tasks, timeout=TAIL_S)
    for task in tasks:
        task.cancel()
    return sent


def by_stream(sent: Sequence[Sent]) -> Mapping[str, list[Sent]]:
    """Return the requests of each stream."""
    found: dict[str, list[Sent]] = {}
    for one in sent:
        found.setdefault(one.stream, []).append(one)
    return found
