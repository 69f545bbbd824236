"""Steady measurement: probes in turn, in short blocks, so that a slow spell slows all of them."""

import math
from collections.abc import Mapping, Sequence
from typing import Final

from twinlens.benchmarking.measures.series import Recorder
from twinlens.benchmarking.scenarios.probe import CLOCK, Clock, Probe, Tell

ROUNDS: Final = 10
"""Rounds aimed at: an interval needs blocks from all over the run."""
LEAST_SLICE_S: Final = 0.02
MOST_SHARE: Final = 0.25
"""Share of the time of a scenario that one query may take."""


def measure(
    probes: Sequence[Probe],
    seconds: Mapping[str, float],
    recorders: Mapping[str, Recorder],
    *,
    tell: Tell,
    clock: Clock = CLOCK,
) -> dict[str, float]:
    """Ask every probe in turn, round after round, until the time is over.

    Left out are queries one of which would take more than a quarter of the time of its scenario, by
    smaller ones of its kind. Returns the seconds that each of those would take.

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
    too_long = _warmed_up(probes, seconds, clock)
    probes = [probe for probe in probes if probe.name not in too_long]
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
                return too_long
        order.reverse()
    return too_long


def _warmed_up(
    probes: Sequence[Probe], seconds: Mapping[str, float], clock: Clock
) -> dict[str, float]:
    """Ask each probe once, but those that would take too long; return the time that these would."""
    an_item: dict[str, float] = {}
    too_long = {}
    for probe in sorted(probes, key=lambda probe: probe.items):
        expected = probe.items * an_item.get(probe.query, 0.0)
        if expected > MOST_SHARE * seconds[probe.scenario]:
            too_long[probe.name] = expected
            continue
        begun = clock.wall()
        probe.act(0)
        an_item[probe.query] = (clock.wall() - begun) / probe.items
    return too_long


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
