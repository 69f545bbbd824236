"""Statistics of benchmarks, against independent references."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twinlens.benchmarking.measures import early_stopping
from twinlens.benchmarking.measures.arrivals import poisson
from twinlens.benchmarking.measures.bootstrap import paired_ratio, ratio_of
from twinlens.benchmarking.measures.quantiles import Quantiles
from twinlens.benchmarking.measures.rate_search import RateSearch
from twinlens.benchmarking.measures.series import Recorder, Series

LATENCIES = st.lists(st.floats(0.001, 1e6), min_size=1, max_size=400)


@given(LATENCIES)
def test_a_quantile_is_the_least_latency_that_its_share_does_not_exceed(times: list[float]) -> None:
    found = Quantiles.of(times)
    assert found is not None
    for share, value in ((0.5, found.p50), (0.9, found.p90), (0.99, found.p99)):
        needed = math.ceil(Fraction(str(share)) * len(times))
        assert value == sorted(times)[needed - 1]
    assert (found.n, found.most) == (len(times), max(times))


def exact_odds(under: int, over: int, percentile: Fraction) -> Fraction:
    """Sum of the binomial distribution in whole fractions."""
    n = under + over
    return sum(
        (math.comb(n, x) * (1 - percentile) ** x * percentile ** (n - x) for x in range(over + 1)),
        Fraction(0),
    )


@given(st.integers(0, 12), st.sampled_from(["0.9", "0.97"]))
def test_early_stopping_takes_the_least_queries_that_suffice(over: int, percentile: str) -> None:
    exact = Fraction(percentile)
    found = early_stopping.least_under(over, percentile=float(exact))
    assert exact_odds(found, over, exact) < Fraction(1, 100)
    assert exact_odds(found - 1, over, exact) >= Fraction(1, 100)


def test_early_stopping_has_the_published_figures_of_loadgen() -> None:
    queries = [early_stopping.least_under(over) + over for over in (0, 1, 5, 10)]
    assert queries == [459, 662, 1307, 2010]
    assert early_stopping.least_under(1, percentile=0.9) + 1 == 64


@given(st.integers(0, 3000))
def test_the_most_queries_over_are_those_that_hold(n: int) -> None:
    most = early_stopping.most_over(n)
    assert not early_stopping.holds(n, most + 1)
    assert most < 0 or early_stopping.holds(n, most)


def test_the_estimate_of_a_single_stream_is_a_latency_that_was_measured() -> None:
    times = [float(ms) for ms in range(145)]
    assert early_stopping.estimate(times[:63]) is None
    assert early_stopping.estimate(times[:64]) == 63.0
    # LoadGen discards the 5 largest of 145.
    assert early_stopping.estimate(times) == sorted(times)[-6]


def test_a_schedule_has_at_least_one_arrival() -> None:
    assert poisson(54.5, seconds=1e-6, seed="any") == [0.0]


@given(st.floats(20, 200), st.integers(0, 50))
def test_arrivals_are_a_poisson_process(rate: float, seed: int) -> None:
    times = poisson(rate, seconds=20, seed=str(seed))
    assert times == sorted(times) == poisson(rate, seconds=20, seed=str(seed))
    assert 0 < times[0] <= times[-1] < 20
    # Counts of seconds vary as much as they are large: of even arrivals they would not vary.
    assert abs(len(times) - 20 * rate) < 6 * math.sqrt(20 * rate)
    counts = np.bincount(np.asarray(times).astype(int), minlength=20)
    assert 0.15 < counts.var() / counts.mean() < 4


@given(st.floats(0.5, 5000), st.floats(0.5, 5000))
def test_the_search_ends_near_the_largest_rate_that_holds(capacity: float, guess: float) -> None:
    search = RateSearch(guess)
    for _ in range(40):
        if search.done:
            break
        search.note(search.rate, holds=search.rate <= capacity)
    assert search.held is not None
    assert search.held <= capacity < search.held * 1.06


@given(st.lists(st.tuples(st.floats(0.1, 1e4), st.booleans()), max_size=40))
def test_the_search_goes_on_whatever_contradicts_itself(notes: list[tuple[float, bool]]) -> None:
    search = RateSearch(10)
    for rate, holds in notes:
        search.note(rate, holds=holds)
        assert 0 < search.rate < math.inf
        if search.held is not None and search.broken is not None:
            assert search.held < search.rate < search.broken


def blocks_of(level: float, *, spread: float, seed: int, count: int = 20) -> list[np.ndarray]:
    """Times in blocks, each with a slow spell of its own."""
    draw = np.random.default_rng(seed)
    return [
        level * np.exp(abs(draw.normal(0, spread)) + draw.gamma(1, 0.05, 30)) for _ in range(count)
    ]


def test_an_interval_holds_the_true_ratio_as_often_as_it_says() -> None:
    within = 0
    for seed in range(60):
        first = blocks_of(1.0, spread=0.1, seed=2 * seed)
        second = blocks_of(1.1, spread=0.1, seed=2 * seed + 1)
        found = ratio_of(first, second)
        within += found.low <= 1.1 <= found.high
        assert found.low <= found.value <= found.high
    assert within >= 53  # of 57, by 2.4 standard deviations


@given(st.floats(0.5, 2), st.integers(1, 9), st.integers(0, 9))
def test_a_paired_ratio_does_not_see_what_slows_both(ratio: float, lives: int, seed: int) -> None:
    draw = np.random.default_rng(seed)
    machine = np.exp(draw.normal(0, 1, (lives, 9)))
    found = paired_ratio([ratio * row / row for row in machine])
    assert found.value == pytest.approx(ratio)
    assert found.high / found.low == pytest.approx(1)


def test_an_interval_of_pairs_counts_that_processes_differ() -> None:
    """Pairs of one life agree with each other, and not with those of the next."""
    within = 0
    for seed in range(200):
        draw = np.random.default_rng(seed)
        lives = [np.exp(draw.normal(0, 0.04) + draw.normal(0, 0.005, 20)) for _ in range(8)]
        found = paired_ratio(lives)
        within += found.low <= 1 <= found.high
    assert within >= 194  # of 198


def test_a_series_keeps_its_blocks() -> None:
    recorder = Recorder()
    recorder.add([1.0, 2.0], [3.0, 4.0])
    recorder.add([])
    recorder.add([5.0], [6.0])
    series = recorder.series()
    assert [block.tolist() for block in series.wall_blocks()] == [[1.0, 2.0], [5.0]]
    assert [block.tolist() for block in series.cpu_blocks()] == [[3.0, 4.0], [6.0]]
    with pytest.raises(ValueError, match="blocks end at"):
        Series(wall_ms=(1.0,), block_ends=(2,))
