"""Loads: schedules, clocks that a test turns, and ends that come early."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from twinlens.benchmarking.measures.early_stopping import least_under
from twinlens.benchmarking.measures.series import Recorder
from twinlens.benchmarking.options import Settings
from twinlens.benchmarking.scenarios.cold import once_a_second
from twinlens.benchmarking.scenarios.loads import Arrival, OpenLoop, closed_loop
from twinlens.benchmarking.scenarios.probe import Clock, Probe
from twinlens.benchmarking.scenarios.server import point_of, reason_of, series_of
from twinlens.benchmarking.scenarios.steady import measure

Ask = Callable[[int], Awaitable[bool]]


class Hands:
    """A clock whose hands a test moves."""

    def __init__(self) -> None:
        self.wall_s = self.cpu_s = 0.0
        self.clock = Clock(wall=lambda: self.wall_s, cpu=lambda: self.cpu_s)

    def probe(
        self, name: str, wall_s: float, *, scenario: str = "single", here: bool = True
    ) -> Probe:
        def act(_: int) -> None:
            self.wall_s += wall_s
            self.cpu_s += wall_s / 2

        return Probe(
            scenario=scenario,
            name=name,
            query="text",
            items=1,
            act=act,
            here=here,  # type: ignore[arg-type]
        )


def test_probes_take_turns_and_share_the_time_of_their_scenario() -> None:
    hands, told = Hands(), list[float]()
    probes = [
        hands.probe("fast", 0.001),
        hands.probe("slow", 0.4),
        hands.probe("elsewhere", 0.01, scenario="offline", here=False),
    ]
    recorders = {probe.name: Recorder() for probe in probes}
    measure(probes, {"single": 6, "offline": 2}, recorders, tell=told.append, clock=hands.clock)
    fast, slow, elsewhere = (recorders[probe.name].series() for probe in probes)
    assert set(fast.wall_ms) == {1.0}
    assert set(fast.cpu_ms) == {0.5}
    assert elsewhere.cpu_ms == (), "another process computes"
    assert all(len(series.block_ends) >= 6 for series in (fast, slow, elsewhere))
    assert len(set(slow.block_ends)) == len(slow.wall_ms), "a block of a slow query is one call"
    assert 8 <= hands.wall_s < 10
    assert sum(told) <= hands.wall_s


def test_a_query_that_would_take_too_long_is_left_out() -> None:
    hands = Hands()
    small, large = hands.probe("small", 0.1), replace(hands.probe("large", 90), items=64)
    recorders = {probe.name: Recorder() for probe in (small, large)}
    left = measure([large, small], {"single": 8}, recorders, tell=lambda _: None, clock=hands.clock)
    assert left == {"large": pytest.approx(6.4)}
    assert recorders["large"].ends == []
    assert hands.wall_s < 9


def test_an_interruption_leaves_the_blocks_so_far() -> None:
    hands = Hands()
    probe = hands.probe("fast", 0.01)
    recorder = Recorder()

    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    try:
        measure([probe], {"single": 5}, {"fast": recorder}, tell=interrupt, clock=hands.clock)
    except KeyboardInterrupt:
        assert len(recorder.series().block_ends) == 1
    else:
        raise AssertionError("it was not interrupted")


def test_a_seldom_asked_model_rests_a_second_before_each_query() -> None:
    hands, slept = Hands(), list[float]()

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        hands.wall_s += seconds

    probes = [hands.probe("one image", 0.1), hands.probe("one text", 0.01)]
    results = once_a_second(probes, seconds=5, clock=hands.clock, sleep=sleep)
    assert set(slept) == {1.0}
    assert [result.quantiles.n for result in results if result.quantiles] == [3, 2]


def run(ask: Ask, due: list[float], **choices: float) -> tuple[OpenLoop, list[Arrival]]:
    async def all_of_it() -> tuple[OpenLoop, list[Arrival]]:
        loop = OpenLoop(ask, due, **choices)  # type: ignore[arg-type]
        return loop, await loop.run()

    return asyncio.run(all_of_it())


def test_a_latency_counts_from_the_scheduled_arrival() -> None:
    """A stall of the first query delays those behind it, though they are answered at once."""

    async def ask(number: int) -> bool:
        if number == 0:
            time.sleep(0.08)  # noqa: ASYNC251  the stall of a server that is one thread
        return True

    _, arrivals = run(ask, [0.0, 0.02, 0.04], late_ms=1e3)
    latencies = [arrival.latency_ms() for arrival in arrivals]
    assert all(latency is not None for latency in latencies)
    assert [
        latency >= wanted
        for latency, wanted in zip(latencies, (80, 60, 40), strict=True)
        if latency
    ] == [True] * 3


def test_queries_are_sent_though_none_is_answered() -> None:
    async def ask(_: int) -> bool:
        waiting.append(None)
        if len(waiting) == 5:
            answered.set()
        await answered.wait()
        return True

    waiting: list[None] = []
    answered = asyncio.Event()
    loop, arrivals = run(ask, [0.001 * n for n in range(5)], late_ms=1e4)
    assert len(arrivals) == 5
    assert all(arrival.answered for arrival in arrivals)
    assert not loop.is_cut


def test_a_hopeless_run_ends_early() -> None:
    async def ask(_: int) -> bool:
        await asyncio.Event().wait()
        return True

    loop, arrivals = run(ask, [0.001 * n for n in range(20_000)], late_ms=20, most_late=3)
    assert loop.is_cut
    assert 3 < len(arrivals) < 20_000, "of twenty seconds"
    assert not point_of(arrivals, 1000, 20, is_cut=loop.is_cut).holds


def test_callers_ask_again_when_they_are_answered() -> None:
    async def ask(number: int) -> bool:
        await asyncio.sleep(0)
        return number < 100

    spans = asyncio.run(closed_loop(ask, callers=4, seconds=60))
    assert len(spans) == 100, "a refusal ends a caller"


def arrived(latencies_ms: list[float]) -> list[Arrival]:
    return [
        Arrival(due=n / 100, sent=n / 100, ended=n / 100 + ms / 1e3, answered=True)
        for n, ms in enumerate(latencies_ms)
    ]


def test_a_run_is_valid_once_early_stopping_says_so() -> None:
    bound = Settings().bound_ms
    for over in (0, 3):
        enough = least_under(over)
        for under, valid in ((enough, True), (enough - 1, False)):
            arrivals = arrived([1.0] * under + [2 * bound] * over)
            point = point_of(arrivals, 100, bound, is_cut=False)
            assert (reason_of(point, len(arrivals), bound) is None) == valid
    assert point.over == 3


def test_a_late_generator_makes_latencies_longer_and_is_told() -> None:
    arrivals = arrived([1.0] * 1000)
    for arrival in arrivals:
        arrival.sent += 0.05
        arrival.ended = arrival.due + 0.06
    point = point_of(arrivals, 100, 100, is_cut=False)
    assert point.lag_p99_ms == pytest.approx(50)
    assert point.quantiles is not None
    assert point.quantiles.p50 == pytest.approx(60)


def test_latencies_of_a_load_are_blocks_of_neighbours() -> None:
    arrivals = arrived([float(n) for n in range(130)])
    arrivals[3].answered = False
    series = series_of(arrivals)
    assert series.block_ends == (64, 128, 129)
    assert len(series.wall_ms) == 129
