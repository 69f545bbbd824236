"""Closed loop: a number of callers, each of whom asks again when it is answered."""

import asyncio
import itertools
import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from bench.serving.load.askers import Asker
from bench.serving.load.requests import Request


@dataclass(slots=True, kw_only=True)
class Counted:
    """Answers within the time that counts."""

    seconds: float
    items: int = 0
    latencies_s: list[float] = field(default_factory=list)
    statuses: Counter[str] = field(default_factory=Counter)
    wrong: int = 0


async def run_closed_loop(
    asker: Asker,
    requests: Sequence[Request],
    *,
    callers: int,
    seconds: float,
    warm_s: float = 1.0,
    most: int | None = None,
) -> Counted:
    """Ask for `seconds` after `warm_s`, or until `most` requests are answered."""
    counted = Counted(seconds=seconds)
    start = time.perf_counter() + warm_s
    stop = start + seconds
    left = itertools.count() if most is None else iter(range(most))

    async def caller(number: int) -> None:
        draw = random.Random(number)
        while time.perf_counter() < stop and next(left, None) is not None:
            request = draw.choice(requests)
            begun = time.perf_counter()
            outcome = await asker.ask(request)
            ended = time.perf_counter()
            counted.statuses[outcome.fault or str(outcome.status)] += 1
            counted.wrong += outcome.is_right is False
            if start < ended < stop and outcome.status == 200:
                counted.items += len(request.items)
                counted.latencies_s.append(ended - begun)

    await asyncio.gather(*(caller(number) for number in range(callers)))
    return counted
