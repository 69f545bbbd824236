"""Scenarios driven by MLCommons LoadGen: single stream, offline and server."""

import re
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Final

from twinlens.benchmarking.loadgen.loadgen import NS, LoadGen
from twinlens.benchmarking.loadgen.loop_thread import LoopThread
from twinlens.benchmarking.measures.quantiles import Quantiles
from twinlens.benchmarking.measures.rate_search import RateSearch
from twinlens.benchmarking.options import Settings
from twinlens.benchmarking.record import RatePoint, Result
from twinlens.benchmarking.scenarios.loads import Asker, LoadQuery
from twinlens.benchmarking.scenarios.probe import Probe, Tell
from twinlens.benchmarking.scenarios.server import (
    LAST_SHARE,
    LEAST_RATE,
    PROBE_SHARE,
    STEP_DOWN,
    name_of,
)
from twinlens.benchmarking.targets.target import Tested

LEAST_SINGLE: Final = 64
LEAST_SERVER: Final = 64
NOT_THERE: Final = "MLCommons LoadGen has no such scenario"
VALID: Final = "VALID"
CONSTRAINTS: Final = "Performance constraints satisfied"
"""Field of a summary: the percentile of this run keeps the bound, be it long enough or not."""
ESTIMATE: Final = re.compile(r"\* Early stopping 90(?:\.0)?th percentile estimate")
"""Field of a summary: LoadGen 5.0 writes 90th, 6.0 writes 90.0th."""


def drive(
    target: Tested, probes: Sequence[Probe], settings: Settings, tell: Tell
) -> Iterator[Result]:
    """Yield the results of LoadGen's scenarios, under the names of our own."""
    loadgen = LoadGen()
    for scenario, measured in (("single", single), ("offline", offline)):
        chosen = [probe for probe in probes if probe.scenario == scenario]
        for probe in chosen:
            yield measured(loadgen, probe, settings.seconds_of(scenario) / len(chosen))
            tell(settings.seconds_of(scenario) / len(chosen))
    if "server" in settings.scenarios:
        with LoopThread() as loop:
            context = target.asker()
            asker = loop.run(context.__aenter__())
            try:
                for query in ("text", "image"):
                    ways = Server(loadgen, loop, asker, query, settings)
                    yield ways.largest_rate(settings.seconds_of("server") / 2)
                    tell(settings.seconds_of("server") / 2)
            finally:
                loop.run(context.__aexit__(None, None, None))
    for scenario in ("mixed", "search", "cold"):
        if scenario in settings.scenarios:
            yield Result(
                scenario=scenario, name=scenario, query="text", valid=False, reason=NOT_THERE
            )


def single(loadgen: LoadGen, probe: Probe, seconds: float) -> Result:
    """Ask the next query when the last one is answered."""
    n_asked = 0

    def issue(samples: list[Any]) -> None:
        nonlocal n_asked
        for sample in samples:
            probe.act(sample.index)
            loadgen.completed([sample])
            n_asked += 1

    probe.act(0)
    choices = {
        "min_duration_ms": round(1e3 * seconds),
        "min_query_count": LEAST_SINGLE,
        # So many queries are made ready, and a run that has asked all of them ends.
        "single_stream_expected_latency_ns": round(1e9 * _fastest_s(probe)),
    }
    found = loadgen.run("SingleStream", issue, choices)
    quantiles = _quantiles(found, n=n_asked)
    return Result(
        scenario="single",
        name=probe.name,
        query=probe.query,
        quantiles=quantiles,
        items_per_s=1e3 / quantiles.p50,
        valid=_is_valid(found),
        reason=None if _is_valid(found) else "LoadGen says INVALID: more --seconds",
        estimate_ms=_estimate_ms(found),
    )


def _fastest_s(probe: Probe) -> float:
    """Return the least time of a few queries."""
    spans = []
    for number in range(4):
        begun = time.perf_counter()
        probe.act(number)
        spans.append(time.perf_counter() - begun)
    return min(spans)


def offline(loadgen: LoadGen, probe: Probe, seconds: float) -> Result:
    """Answer all samples, which come at once, in batches of the probe."""
    count = probe.items * max(2, round(seconds / _fastest_s(probe)))

    def issue(samples: list[Any]) -> None:
        for number, at in enumerate(range(0, len(samples), probe.items)):
            probe.act(number)
            loadgen.completed(samples[at : at + probe.items])

    choices = {
        "min_duration_ms": 1,
        "min_query_count": count,
        "max_query_count": count,
        "offline_expected_qps": count / seconds,
    }
    found = loadgen.run("Offline", issue, choices)
    return Result(
        scenario="offline",
        name=probe.name,
        query=probe.query,
        items=probe.items,
        items_per_s=float(found["Samples per second"]),
        notes={"samples": float(count)},
    )


class Server:
    """Queries of one kind, by chance, on the engine or the service."""

    def __init__(
        self,
        loadgen: LoadGen,
        loop: LoopThread,
        asker: Asker,
        query: LoadQuery,
        settings: Settings,
    ) -> None:
        self._loadgen, self._loop, self._settings = loadgen, loop, settings
        self._ask, self._query = partial(asker.ask, query), query
        self.is_valid = False
        """True if LoadGen calls the last run VALID, and no query of it was refused."""

    def largest_rate(self, seconds: float) -> Result:
        """Look for the largest rate that keeps the bound, as our own driver does."""
        begun = time.perf_counter()
        if not self._loop.run(self._ask(0)):
            return Result(
                scenario="server",
                name=name_of(self._query),
                query=self._kind,
                valid=False,
                reason="a query was refused, or not answered",
            )
        search, points = RateSearch(1 / self._alone_s()), list[RatePoint]()
        until = begun + (1 - LAST_SHARE) * seconds
        while not search.done and search.rate > LEAST_RATE and time.perf_counter() < until:
            found = self.at_rate(search.rate, PROBE_SHARE * seconds)
            points.append(found)
            search.note(found.offered, holds=found.holds)
        rate = search.held or search.rate
        while True:
            left = begun + seconds - time.perf_counter()
            points.append(self.at_rate(rate, max(left, PROBE_SHARE * seconds)))
            if points[-1].holds or begun + seconds - time.perf_counter() < PROBE_SHARE * seconds:
                break
            rate *= STEP_DOWN
        last = points[-1]
        return Result(
            scenario="server",
            name=name_of(self._query),
            query=self._kind,
            quantiles=last.quantiles,
            items_per_s=last.offered if last.holds else None,
            valid=self.is_valid,
            reason=None if self.is_valid else "LoadGen says INVALID: more --seconds",
            rates=tuple(sorted(points, key=lambda point: point.offered)),
        )

    def at_rate(self, rate: float, seconds: float) -> RatePoint:
        """Run at one rate; it holds if the p99 of this run keeps the bound."""
        n_asked = n_refused = 0

        async def answer(sample: Any) -> None:  # noqa: ANN401
            nonlocal n_refused
            n_refused += not await self._ask(sample.index)
            self._loadgen.completed([sample])

        def issue(samples: list[Any]) -> None:
            nonlocal n_asked
            n_asked += len(samples)
            for sample in samples:
                self._loop.start(answer(sample))

        choices = {
            "min_duration_ms": round(1e3 * seconds),
            "min_query_count": LEAST_SERVER,
            "server_target_qps": rate,
            "server_target_latency_ns": round(self._settings.bound_ms * NS),
            "server_target_latency_percentile": 0.99,
            "schedule_rng_seed": self._settings.seed + 1,
        }
        found = self._loadgen.run("Server", issue, choices)
        self.is_valid = _is_valid(found) and not n_refused
        return RatePoint(
            offered=round(rate, 3),
            answered=float(found["Completed samples per second"]),
            quantiles=_quantiles(found, n=n_asked),
            over=n_refused,
            lag_p99_ms=0.0,
            holds=found.get(CONSTRAINTS) == "Yes" and not n_refused,
        )

    @property
    def _kind(self) -> Any:  # noqa: ANN401  a literal
        return "image" if self._query == "image" else "text"

    def _alone_s(self) -> float:
        """Return the time of one query alone, in the median of some."""
        spans = []
        for number in range(9):
            begun = time.perf_counter()
            self._loop.run(self._ask(number))
            spans.append(time.perf_counter() - begun)
        return statistics.median(spans)


def _quantiles(found: Mapping[str, str], *, n: int) -> Quantiles:
    p50, p90, p99 = (
        float(found[f"{part}.00 percentile latency (ns)"]) / NS for part in (50, 90, 99)
    )
    return Quantiles(n=n, p50=p50, p90=p90, p99=p99, most=float(found["Max latency (ns)"]) / NS)


def _estimate_ms(found: Mapping[str, str]) -> float | None:
    """Return LoadGen's estimate of p90, which it makes of at least 64 queries."""
    told = (float(value) / NS for name, value in found.items() if ESTIMATE.fullmatch(name))
    return next(told, None)


def _is_valid(found: Mapping[str, str]) -> bool:
    return found.get("Result is") == VALID
