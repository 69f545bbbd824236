"""Steady measurement: probes in turn, in short blocks, so that a slow spell slows all of them."""

import math
from collections.abc import Mapping, Sequence
from typing import Final

from twinlens.benchmarking.measures.series import Recorder
from twinlens.benchmarking.scenarios.probe import CLOCK, Clock, Probe, Tell

ROUNDS: Final = 10
"""Rounds aimed at: an interval needs blocks from all over the run."""
LEAST_SLICE_S: Final = 0.02


def measure(
    probes: Sequence[Probe],
    seconds: Mapping[str, float],
    recorders: Mapping[str, Recorder],
    *,
    tell: Tell,
    clock: Clock = CLOCK,
) -> None:
    """Ask every probe in turn, round after round, until the time is over.

    Each probe is asked once before, which does not count. A round runs forwards, the next one
    backwards. An interruption leaves in the recorders all blocks so far.

    Args:
        probes: kinds of queries.
        seconds: time of each scenario.
        recorders: a recorder for each probe, by its name.
        tell: takes the seconds that were spent.
        clock: the clocks.
    """
    begun = told = clock.wall()
    until = begun + sum(seconds.values())
    for probe in probes:
        probe.act(0)
    numbers = dict.fromkeys(recorders, 1)
    slices = _slices(probes, seconds)
    order = list(probes)
    while order:
        for probe in order:
            recorder, name = recorders[probe.name], probe.name
            numbers[name] = _block(probe, recorder, numbers[name], slices[name], clock)
            now = clock.wall()
            tell(now - told)
            told = now
            if now >= until and all(recorders[p.name].ends for p in probes):
                return
        order.reverse()


def _slices(probes: Sequence[Probe], seconds: Mapping[str, float]) -> dict[str, float]:
    """Return the time of a block of each probe, in seconds."""
    found = {}
    for probe in probes:
        siblings = sum(one.scenario == probe.scenario for one in probes)
        found[probe.name] = max(LEAST_SLICE_S, seconds[probe.scenario] / siblings / ROUNDS)
    return found


def _block(probe: Probe, recorder: Recorder, number: int, slice_s: float, clock: Clock) -> int:
    """Ask until the slice is over, at least once; return the number of the next query."""
    wall_ms: list[float] = []
    cpu_ms: list[float] = []
    end = clock.wall() + slice_s
    try:
        now = -math.inf
        while now < end:
            cpu, wall = clock.cpu(), clock.wall()
            probe.act(number)
            now = clock.wall()
            wall_ms.append(1e3 * (now - wall))
            cpu_ms.append(1e3 * (clock.cpu() - cpu))
            number += 1
    finally:  # an interrupted call is not among them
        recorder.add(wall_ms, cpu_ms[: len(wall_ms)] if probe.here else ())
    return number
