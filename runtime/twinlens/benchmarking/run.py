"""A run: every scenario of a target, one record."""

import asyncio
import statistics
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Final

import numpy as np

from twinlens.benchmarking.loadgen.drive import drive
from twinlens.benchmarking.machine.gpu import gpu
from twinlens.benchmarking.machine.neighbours import Reading
from twinlens.benchmarking.machine.processor import Machine
from twinlens.benchmarking.machine.resources import memory_mb
from twinlens.benchmarking.machine.versions import versions
from twinlens.benchmarking.measures import early_stopping
from twinlens.benchmarking.measures.bootstrap import LEAST_BLOCKS
from twinlens.benchmarking.measures.quantiles import Quantiles
from twinlens.benchmarking.measures.series import Recorder, Series
from twinlens.benchmarking.options import STEADY, Driver, Settings
from twinlens.benchmarking.record import Accuracy, Memory, Record, Result
from twinlens.benchmarking.scenarios import pace
from twinlens.benchmarking.scenarios.mixed import beside_bulk
from twinlens.benchmarking.scenarios.probe import Probe, Tell
from twinlens.benchmarking.scenarios.server import largest_rate
from twinlens.benchmarking.scenarios.steady import measure
from twinlens.benchmarking.targets.target import Tested

KINDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "image": "image",
        "pixels": "image",
        "text": "text",
        "long text": "text",
        "tokens": "text",
        "search": "search",
    }
)
"""Kind of the rows whose accuracy stands beside a speed."""


def run(
    open_target: Callable[[], Tested], settings: Settings, *, tell: Tell, driver: Driver = "own"
) -> Record:
    """Measure every scenario; an interruption ends it with the measures so far, marked as partial.

    Args:
        open_target: opens the target; an interruption of that is raised.
        settings: scenarios and their time.
        tell: takes the seconds of measuring that were spent, at most `settings.seconds` or so.
        driver: "loadgen" lets MLCommons LoadGen ask in those scenarios that it has.
    """
    started, begun = datetime.now(UTC), time.monotonic()
    target = open_target()
    facts, inputs = target.facts, target.inputs()
    loaded_mb, gpu_before, before = memory_mb("VmRSS"), gpu(facts.device or ""), Reading.take()
    running = _Run(target, settings, tell)
    try:
        if driver == "own":
            running.measure()
        else:
            running.measure_by_loadgen()
        partial = False
    except KeyboardInterrupt:
        partial = True
    finally:
        target.close()
    after = Reading.take()
    accuracy = running.accuracy
    return Record(
        partial=partial,
        started=started.isoformat(timespec="seconds"),
        took_s=round(time.monotonic() - begun, 2),
        settings=settings,
        driver=driver,
        target=facts,
        machine=Machine.read(),
        versions=versions(),
        inputs=inputs,
        accuracy=accuracy,
        neighbours=after.since(before),
        memory=None
        if facts.kind == "service"
        else Memory(loaded=loaded_mb, after=memory_mb("VmRSS"), most=memory_mb("VmHWM")),
        gpu_before=gpu_before,
        gpu_after=gpu(facts.device or ""),
        results=tuple(running.results()),
    )


class _Run:
    """Results of a run as they come."""

    def __init__(self, target: Tested, settings: Settings, tell: Tell) -> None:
        self._target, self._settings, self._tell = target, settings, tell
        self._probes: list[Probe] = []
        self._recorders: dict[str, Recorder] = {}
        self._others: list[Result] = []
        self.accuracy: Mapping[str, Accuracy] = {}

    def measure(self) -> None:
        """Measure one scenario after the other; the steady ones in turn."""
        settings, target = self._settings, self._target
        self.accuracy = target.accuracy()
        self._probes = [*target.probes()]
        self._others += target.left_out()
        if self._probes:
            self._probes.append(pace.probe(self._probes[0].scenario))
            self._recorders = {probe.name: Recorder() for probe in self._probes}
            seconds = {name: settings.seconds_of(name) for name in STEADY & {*settings.scenarios}}
            too_long = measure(self._probes, seconds, self._recorders, tell=self._tell)
            self._others += [_too_long(p, too_long) for p in self._probes if p.name in too_long]
        if {"server", "mixed"} & {*settings.scenarios}:
            asyncio.run(self._loads())
        if "cold" in settings.scenarios:
            seconds_cold = settings.seconds_of("cold")
            self._others += target.cold(seconds_cold)
            self._tell(seconds_cold)

    def measure_by_loadgen(self) -> None:
        """Let MLCommons LoadGen measure the scenarios that it has."""
        self.accuracy = self._target.accuracy()
        probes = self._target.probes()
        self._others += self._target.left_out()
        for result in drive(self._target, probes, self._settings, self._tell):
            self._others.append(result)

    async def _loads(self) -> None:
        settings = self._settings
        async with self._target.asker() as asker:
            if "server" in settings.scenarios:
                for query in ("text", "image"):
                    self._others.append(
                        await largest_rate(
                            asker,
                            query,
                            settings,
                            seconds=settings.seconds_of("server") / 2,
                            tell=self._tell,
                        )
                    )
            if "mixed" in settings.scenarios:
                seconds = settings.seconds_of("mixed")
                self._others += await beside_bulk(asker, settings, seconds=seconds)
                self._tell(seconds)

    def results(self) -> Iterable[Result]:
        """Yield the results so far, those of the steady scenarios first."""
        for probe in self._probes:
            recorder = self._recorders.get(probe.name)
            if recorder is not None and recorder.wall_ms:
                yield self._with_cosine(result_of(probe, recorder))
        yield from map(self._with_cosine, self._others)

    def _with_cosine(self, result: Result) -> Result:
        """Return a result beside the accuracy of its rows."""
        kind = KINDS.get(result.query, "")
        known = self.accuracy.get(kind) or self.accuracy.get(f"{kind}, by the exporter")
        if known is None or result.quantiles is None:
            return result
        return replace(result, worst_cosine=known.worst)


def _too_long(probe: Probe, seconds: Mapping[str, float]) -> Result:
    """Return a result without figures, of a query that was left out."""
    return Result(
        scenario=probe.scenario,
        name=probe.name,
        query=probe.query,
        items=probe.items,
        valid=False,
        reason=f"one would take {seconds[probe.name]:.2g} s: more --seconds",
    )


def result_of(probe: Probe, recorder: Recorder) -> Result:
    """Return the figures of a steady probe: of the medians, that neighbours move least."""
    series = recorder.series()
    quantiles = Quantiles.of(series.wall_ms)
    reason = _invalid(probe, series)
    cpu_ms = float(np.median(series.cpu_ms)) / probe.items if series.cpu_ms else None
    return Result(
        scenario=probe.scenario,
        name=probe.name,
        query=probe.query,
        items=probe.items,
        quantiles=quantiles,
        items_per_s=1e3 * probe.items / statistics.median(series.wall_ms),
        cpu_ms_per_item=cpu_ms,
        valid=reason is None,
        reason=reason,
        estimate_ms=early_stopping.estimate(series.wall_ms) if probe.scenario == "single" else None,
        series=series,
    )


def _invalid(probe: Probe, series: Series) -> str | None:
    """Return the reason why a steady result is not VALID; None if it is."""
    if probe.query == "pace":
        return None
    n_queries, n_blocks = len(series.wall_ms), len(series.block_ends)
    least = early_stopping.least_under(1, percentile=0.9) + 1
    if probe.scenario == "single" and n_queries < least:
        return f"{n_queries} queries; p90 takes {least}: more --seconds"
    if probe.scenario != "single" and n_blocks < LEAST_BLOCKS:
        return f"{n_blocks} blocks; {LEAST_BLOCKS} tell a spread: more --seconds"
    return None
