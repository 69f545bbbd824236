"""Intervals of ratios of times, from resampled blocks.

Times of neighbouring calls are alike: a slow spell of the machine slows a whole block. Blocks are
therefore resampled whole (Carlstein 1986, "The use of subseries values for estimating the variance
of a general statistic"). An interval reaches some standard errors of the resampled figure to both
sides, as in `twinlens.metrics.bootstrap`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Final

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]

RESAMPLES: Final = 200
LEVEL: Final = 0.95
STUDENT: Final = (
    63.66, 9.925, 5.841, 4.604, 4.032, 3.707, 3.499, 3.355, 3.250, 3.169, 3.106, 3.055,
)  # fmt: skip
"""Quantiles of 99.5 % of Student's distribution, of 1, 2, 3 degrees of freedom and so on."""
LEAST_LIVES: Final = 3
"""Fewer pairs of processes tell no spread."""
LEAST_BLOCKS: Final = 4
"""Fewer blocks tell no spread."""
FLOOR: Final = 0.1
"""Quantile that stands for the times of a run: neighbours only ever slow a call, so the low times
are the machine's own. Of six runs beside a busy machine the medians of CPU time lay 16 % apart, the
lowest tenths 7 % (one caption, EPYC, AVX-512 VNNI, 2 cores)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratio:
    """Ratio of two times, with its interval."""

    value: float
    low: float
    high: float


def floor_of(times: Sequence[float] | F64) -> float:
    """Return the time that stands for all: their lowest tenth."""
    return float(np.quantile(np.asarray(times, dtype=np.float64), FLOOR))


def log_floor_error(blocks: Sequence[F64], *, seed: int) -> float:
    """Return the standard error of the logarithm of the floor of all times in blocks [K]."""
    draw = np.random.default_rng(seed)
    floors = [
        floor_of(np.concatenate([blocks[place] for place in places]))
        for places in draw.integers(len(blocks), size=(RESAMPLES, len(blocks)))
    ]
    return float(np.log(floors).std(ddof=1))


def ratio_of(
    first: Sequence[F64], second: Sequence[F64], *, pace: float = 1.0, apart: float = 0.0
) -> Ratio:
    """Return second over first, of the floors of two runs.

    Args:
        first: times in blocks [K].
        second: the same of the other run.
        pace: time of a fixed computation, second over first, by which the ratio is divided.
        apart: standard deviation of the logarithm between two runs of one build, which no block of
            one run shows.
    """
    floors = [floor_of(np.concatenate(blocks)) for blocks in (first, second)]
    value = np.log(floors[1] / floors[0] / pace)
    errors = (log_floor_error(first, seed=0), log_floor_error(second, seed=1), apart)
    return interval(float(value), float(np.linalg.norm(errors)))


def paired_ratio(lives: Sequence[F64]) -> Ratio:
    """Return the ratio of two sides from ratios [K] of pairs, measured one beside the other.

    Each life has its own two processes. Pairs of one life share their memory's layout and its place
    in the caches, which alone moved 8 images by 7 %, so the median of a life counts as one sample
    (Kalibera and Jones 2013, "Rigorous benchmarking in reasonable time": the highest level at which
    times vary is repeated). The interval is Student's, of the logarithms, with 99 %.
    """
    logs = np.log([np.median(ratios) for ratios in lives])
    if len(logs) < 2:
        value = float(np.exp(logs[0]))
        return Ratio(value=value, low=value, high=value)
    quantile = STUDENT[min(len(logs) - 1, len(STUDENT)) - 1]
    reach = quantile * float(logs.std(ddof=1)) / math.sqrt(len(logs))
    low, value, high = np.exp([logs.mean() - reach, logs.mean(), logs.mean() + reach]).tolist()
    return Ratio(value=value, low=low, high=high)


def interval(log_ratio: float, error: float) -> Ratio:
    """Return a ratio with its interval, from its logarithm and the standard error of that."""
    reach = NormalDist().inv_cdf((1 + LEVEL) / 2) * error
    low, value, high = np.exp([log_ratio - reach, log_ratio, log_ratio + reach]).tolist()
    return Ratio(value=value, low=low, high=high)
