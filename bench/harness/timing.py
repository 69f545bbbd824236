"""Times of calls: one call, repeated calls, contenders in turn."""

import statistics
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Spent:
    """Time of one call: on the wall, and of all processor cores together."""

    wall_ms: float
    cpu_ms: float


def spent_by(act: Callable[[], T]) -> tuple[T, Spent]:
    """Return the answer of one call and its time."""
    cpu, wall = time.process_time(), time.perf_counter()
    answer = act()
    wall_ms = 1e3 * (time.perf_counter() - wall)
    return answer, Spent(wall_ms, 1e3 * (time.process_time() - cpu))


def wall_ms(act: Callable[[], object], repeats: int, *, warm_up: int = 0) -> list[float]:
    """Return the ms of each call, after `warm_up` calls that are not counted."""
    for _ in range(warm_up):
        act()
    return [spent_by(act)[1].wall_ms for _ in range(repeats)]


def median_and_p95(act: Callable[[], object], repeats: int) -> dict[str, float]:
    """Return ms and p95_ms of repeated calls, after two that are not counted."""
    times = wall_ms(act, repeats, warm_up=2)
    return {
        "ms": round(statistics.median(times), 4),
        "p95_ms": round(float(np.quantile(times, 0.95)), 4),
    }


def rounds_in_turn(
    acts: Mapping[str, Callable[[], object]], *, rounds: int, seconds: float = 0.0
) -> dict[str, list[Spent]]:
    """Return the time of every act in each round; the first round warms up and is not kept.

    All acts run in turn within a round, so that a slow spell of the machine slows all of them. At
    least `rounds` rounds are made, with the first, and more until `seconds` are over.
    """
    spent: dict[str, list[Spent]] = {name: [] for name in acts}
    done, begun = 0, time.perf_counter()
    while done < rounds or time.perf_counter() - begun < seconds:
        for name, act in acts.items():
            spent[name].append(spent_by(act)[1])
        done += 1
    return {name: times[1:] for name, times in spent.items()}


def median_ratio(theirs: Iterable[float], ours: Iterable[float]) -> float:
    """Return the median over the rounds of the ratio within a round."""
    return statistics.median(their / our for their, our in zip(theirs, ours, strict=True))
