"""Probes: one kind of query, which is asked again and again, one at a time."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from twinlens.benchmarking.options import Scenario
from twinlens.benchmarking.record import Query

Act = Callable[[int], object]
"""Asks the query of a number; the numbers count up."""
Tell = Callable[[float], object]
"""Takes the seconds that were spent, for a bar."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """One kind of query."""

    scenario: Scenario
    name: str
    query: Query
    items: int
    act: Act
    here: bool = True
    """True if this process computes: its CPU time is that of the query."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """Clocks of a measurement, in seconds."""

    wall: Callable[[], float] = time.perf_counter
    cpu: Callable[[], float] = time.process_time


CLOCK: Final = Clock()
