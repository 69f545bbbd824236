"""MLCommons LoadGen beside our own driver, on a target whose queries take a known time."""

import asyncio
import time

import pytest

from twinlens.__main__ import main
from twinlens.benchmarking.loadgen.drive import Server, offline, single
from twinlens.benchmarking.loadgen.loadgen import LoadGen, read_summary
from twinlens.benchmarking.loadgen.loop_thread import LoopThread
from twinlens.benchmarking.measures.series import Recorder
from twinlens.benchmarking.options import Settings
from twinlens.benchmarking.record import Result
from twinlens.benchmarking.run import result_of
from twinlens.benchmarking.scenarios.loads import LoadQuery
from twinlens.benchmarking.scenarios.probe import Probe
from twinlens.benchmarking.scenarios.server import at_rate
from twinlens.benchmarking.scenarios.steady import measure

QUERY_S = 0.02
RATE = 50.0
AGREE = 0.25
"""Share of a difference: with twenty processes on two cores, 20 ms of sleep took 22, then 24."""


def test_without_loadgen_the_cure_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    assert main(["bench", "demo", "--loadgen"]) == 1
    assert "pip install" in capsys.readouterr().err


def ours(probe: Probe) -> Result:
    recorder = Recorder()
    measure([probe], {probe.scenario: 0.8}, {probe.name: recorder}, tell=lambda _: None)
    return result_of(probe, recorder)


@pytest.mark.parametrize("percentile", ["90th", "90.0th"])
def test_the_estimate_is_read_by_the_names_that_versions_give_it(percentile: str) -> None:
    class Written:
        """LoadGen whose summary is at hand."""

        def run(self, *_: object) -> dict[str, str]:
            return read_summary(
                f"Result is : VALID\n * Early stopping {percentile} percentile estimate: 33166542\n"
                "50.00 percentile latency (ns)   : 20240884\n"
                "90.00 percentile latency (ns)   : 23981178\n"
                "99.00 percentile latency (ns)   : 33166542\n"
                "Max latency (ns)                : 33166542\n"
            )

    probe = Probe(scenario="single", name="text", query="text", items=1, act=lambda _: None)
    found = single(Written(), probe, 0.1)  # type: ignore[arg-type]
    assert found.estimate_ms == pytest.approx(33.166542)


class Sleeper:
    """Target that answers any number of queries after the same time."""

    async def ask(self, query: LoadQuery, number: int) -> bool:  # noqa: ARG002
        await asyncio.sleep(QUERY_S)
        return True


def test_loadgen_and_our_driver_agree() -> None:
    pytest.importorskip("mlperf_loadgen")

    loadgen = LoadGen()
    queries = {"single": 1, "offline": 8}
    for scenario, theirs in (("single", single), ("offline", offline)):
        probe = Probe(
            scenario=scenario,  # type: ignore[arg-type]
            name=scenario,
            query="text",
            items=queries[scenario],
            act=lambda _: time.sleep(QUERY_S),
        )
        mine, other = ours(probe), theirs(loadgen, probe, 0.8)
        assert mine.items_per_s is not None
        assert other.items_per_s == pytest.approx(mine.items_per_s, rel=AGREE)
        if scenario == "single":
            assert mine.quantiles is not None
            assert other.quantiles is not None
            assert other.quantiles.p50 == pytest.approx(mine.quantiles.p50, rel=AGREE)
            assert other.valid
            assert other.estimate_ms is not None
    with LoopThread() as loop:
        sleeper, settings = Sleeper(), Settings(scenarios=("server",))
        point = Server(loadgen, loop, sleeper, "text", settings).at_rate(RATE, 1.0)
        run = loop.run(at_rate(lambda n: sleeper.ask("text", n), RATE, settings, seconds=1.0))
    assert point.holds
    assert run.point.holds
    assert run.point.quantiles.p50 == pytest.approx(point.quantiles.p50, rel=AGREE)
