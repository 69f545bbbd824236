"""Intervals of medians of times, from resampled blocks.

Times of neighbouring calls are alike: a slow spell of the machine slows a whole block. Blocks are
therefore resampled whole (Carlstein 1986, "The use of subseries values for estimating the variance
of a general statistic"), and within a block its median stands for it. An interval reaches some
standard errors of the resampled figure to both sides, as in `twinlens.metrics.bootstrap`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Final

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]

RESAMPLES: Final = 2000
LEVEL: Final = 0.95
LEAST_BLOCKS: Final = 4
"""Fewer blocks tell no spread."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratio:
    """Ratio of two times, with its interval."""

    value: float
    low: float
    high: float


def block_medians(times: Sequence[float], ends: Sequence[int]) -> F64:
    """Return the median of each block [K]; `ends` are the places behind the last of each."""
    values = np.asarray(times, dtype=np.float64)
    parts = np.split(values, list(ends)[:-1]) if len(ends) else []
    return np.array([np.median(part) for part in parts if len(part)])


def log_median_errors(blocks: F64, *, seed: int = 0) -> float:
    """Return the standard error of the logarithm of the median of blocks [K]."""
    draw = np.random.default_rng(seed)
    places = draw.integers(len(blocks), size=(RESAMPLES, len(blocks)))
    return float(np.log(np.median(blocks[places], axis=1)).std(ddof=1))


def ratio_of(first: F64, second: F64, *, comparisons: int = 1) -> Ratio:
    """Return second over first, of the medians of blocks [K] that were measured apart."""
    value = float(np.log(np.median(second)) - np.log(np.median(first)))
    error = float(np.hypot(log_median_errors(first), log_median_errors(second, seed=1)))
    return interval(value, error, comparisons=comparisons)


def paired_ratio(first: F64, second: F64, *, comparisons: int = 1) -> Ratio:
    """Return the median of second over first [K], each pair measured one beside the other."""
    ratios = second / first
    value, error = float(np.log(np.median(ratios))), log_median_errors(ratios)
    return interval(value, error, comparisons=comparisons)


def interval(log_ratio: float, error: float, *, comparisons: int = 1) -> Ratio:
    """Return a ratio with its interval, from its logarithm and the standard error of that.

    Of several comparisons, all intervals together hold with the level (Bonferroni).
    """
    reach = NormalDist().inv_cdf(1 - (1 - LEVEL) / (2 * max(1, comparisons))) * error
    low, value, high = np.exp([log_ratio - reach, log_ratio, log_ratio + reach]).tolist()
    return Ratio(value=value, low=low, high=high)
