"""Server: queries arrive by chance, and the largest rate that keeps a bound is looked for."""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

from twinlens.benchmarking.measures import early_stopping
from twinlens.benchmarking.measures.arrivals import poisson
from twinlens.benchmarking.measures.quantiles import Quantiles
from twinlens.benchmarking.measures.rate_search import RateSearch
from twinlens.benchmarking.measures.series import Series
from twinlens.benchmarking.options import Settings
from twinlens.benchmarking.record import RatePoint, Result
from twinlens.benchmarking.scenarios.loads import Arrival, Asker, LoadQuery, OpenLoop, closed_loop
from twinlens.benchmarking.scenarios.probe import Tell

CALLERS: Final = 4
"""Callers at once that find out the rate to begin at: each waits for an answer, however slow."""
GUESS_SHARE: Final = 0.08
"""Share of the time for that."""
PROBE_SHARE: Final = 0.08
"""Share of the time for one rate of the search."""
LAST_SHARE: Final = 0.45
"""Share that is kept for the run at the rate that was found."""
FIRST_RATE: Final = 0.6
"""First rate, of that of the callers."""
STEP_DOWN: Final = 0.8
LEAST_RATE: Final = 0.1
BLOCK_QUERIES: Final = 64
"""Queries of a block of latencies."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One rate: its outcome, and the arrivals."""

    point: RatePoint
    arrivals: list[Arrival]


async def largest_rate(
    asker: Asker, query: LoadQuery, settings: Settings, *, seconds: float, tell: Tell
) -> Result:
    """Look for the largest rate at which 99 of 100 queries keep the bound, and run at it.

    A rate holds while the search goes on if at most one of 100 is over the bound; the last run is
    VALID by early stopping, which takes 459 queries at least.
    """
    begun = time.perf_counter()
    ask = partial(asker.ask, query)
    spans = await closed_loop(ask, callers=CALLERS, seconds=GUESS_SHARE * seconds)
    if not spans:
        return _left_out(query, "a query was refused, or not answered")
    took = max(end for _, end in spans) - min(first for first, _ in spans)
    search, points = RateSearch(FIRST_RATE * len(spans) / took), list[RatePoint]()
    told = begun

    def note(run: Run) -> None:
        nonlocal told
        now = time.perf_counter()
        tell(now - told)
        told = now
        points.append(run.point)

    until = begun + (1 - LAST_SHARE) * seconds
    while not search.done and search.rate > LEAST_RATE and time.perf_counter() < until:
        run = await at_rate(ask, search.rate, settings, seconds=PROBE_SHARE * seconds)
        search.note(run.point.offered, holds=run.point.holds)
        note(run)
    rate = search.held or search.rate
    while True:
        left = begun + seconds - time.perf_counter()
        last = await at_rate(ask, rate, settings, seconds=max(left, PROBE_SHARE * seconds))
        note(last)
        more = begun + seconds - time.perf_counter() > PROBE_SHARE * seconds
        if last.point.holds or not more or rate <= LEAST_RATE:
            return _result(query, last, points, settings)
        rate *= STEP_DOWN


async def at_rate(
    ask: Callable[[int], Awaitable[bool]], rate: float, settings: Settings, *, seconds: float
) -> Run:
    """Send queries at one rate; an end comes early once too many are over the bound."""
    due = poisson(rate, seconds=seconds, seed=f"{settings.seed} {rate:.6g}")
    most = max(1, len(due) // 100)
    loop = OpenLoop(ask, due, late_ms=settings.bound_ms, most_late=most)
    arrivals = await loop.run()
    return Run(
        point=point_of(arrivals, rate, settings.bound_ms, is_cut=loop.is_cut), arrivals=arrivals
    )


def point_of(arrivals: list[Arrival], rate: float, bound_ms: float, *, is_cut: bool) -> RatePoint:
    """Return the outcome of arrivals at a rate."""
    latencies = [ms for one in arrivals if (ms := one.latency_ms()) is not None]
    over = len(arrivals) - sum(ms <= bound_ms for ms in latencies)
    lags = Quantiles.of([1e3 * (one.sent - one.due) for one in arrivals])
    ends = [one.ended for one in arrivals if one.answered and one.ended is not None]
    span = max(ends) - arrivals[0].due if ends else 0.0
    return RatePoint(
        offered=round(rate, 3),
        answered=round(len(ends) / span, 3) if span > 0 else 0.0,
        quantiles=Quantiles.of(latencies),
        over=over,
        lag_p99_ms=0.0 if lags is None else round(lags.p99, 3),
        holds=bool(arrivals) and not is_cut and over <= max(1, len(arrivals) // 100),
        cut=is_cut,
    )


def reason_of(point: RatePoint, n: int, bound_ms: float) -> str | None:
    """Return the reason why a run is not VALID; None if it is."""
    if point.cut or not point.holds:
        return f"{point.over} of {n} queries were over {bound_ms:g} ms"
    if not early_stopping.holds(n, point.over):
        wanted = early_stopping.least_under(point.over) + point.over
        return f"{n} queries, {point.over} of them late; it takes {wanted}: more --seconds"
    return None


def _result(query: LoadQuery, run: Run, points: list[RatePoint], settings: Settings) -> Result:
    reason = reason_of(run.point, len(run.arrivals), settings.bound_ms)
    return Result(
        scenario="server",
        name=name_of(query),
        query="image" if query == "image" else "text",
        quantiles=run.point.quantiles,
        items_per_s=run.point.offered if run.point.holds else None,
        valid=reason is None,
        reason=reason,
        series=series_of(run.arrivals),
        notes={"lag_p99_ms": run.point.lag_p99_ms},
        rates=tuple(sorted(points, key=lambda point: point.offered)),
    )


def _left_out(query: LoadQuery, reason: str) -> Result:
    return Result(
        scenario="server",
        name=name_of(query),
        query="image" if query == "image" else "text",
        valid=False,
        reason=reason,
    )


def name_of(query: LoadQuery) -> str:
    """Return the name of the result of a query."""
    return f"server, {query}s by chance"


def series_of(arrivals: list[Arrival]) -> Series:
    """Return the latencies of the answered queries, in blocks of neighbours."""
    latencies = [round(ms, 4) for one in arrivals if (ms := one.latency_ms()) is not None]
    ends = [*range(BLOCK_QUERIES, len(latencies), BLOCK_QUERIES)]
    return Series(wall_ms=tuple(latencies), block_ends=(*ends, len(latencies)) if latencies else ())
