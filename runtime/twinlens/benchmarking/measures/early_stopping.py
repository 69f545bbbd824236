"""Early stopping: the number of queries from which a percentile may be told.

MLPerf Inference's criterion (MLCommons, "Early Stopping" of the inference rules, and `odds` in
loadgen/early_stopping.cc): of h + t queries t were over the latency. If each were over it with
probability 1 - p, at most t of them would be with probability

    sum over x = 0..t of C(h + t, x) (1 - p)^x p^(h + t - x)

A run may stop, and is VALID, once that is below 1 - c: with c = 0.99 confidence, the p-percentile
lies within the latency. For p99 that takes h = 459 with t = 0, and 661 with t = 1.
"""

import math
from collections.abc import Sequence
from functools import cache
from typing import Final

import numpy as np

CONFIDENCE: Final = 0.99


def odds(under: int, over: int, *, percentile: float) -> float:
    """Return the probability of at most `over` of all queries, if each is over with 1 - p."""
    n, x = under + over, np.arange(over + 1, dtype=np.float64)
    factorials = np.vectorize(math.lgamma, otypes=[np.float64])
    logs = math.lgamma(n + 1) - factorials(x + 1) - factorials(n - x + 1)
    logs += x * math.log1p(-percentile) + (n - x) * math.log(percentile)
    top = float(logs.max())
    return math.exp(top + math.log(float(np.exp(logs - top).sum())))


@cache
def least_under(over: int, *, percentile: float = 0.99) -> int:
    """Return the least number of queries within the latency that make up for `over` others."""
    below = 1 - CONFIDENCE
    low = math.ceil(over * percentile / (1 - percentile))
    high = low + math.ceil(math.log(below) / math.log(percentile)) * (2 + over)
    while low < high:  # the odds fall with each query within
        middle = (low + high) // 2
        if odds(middle, over, percentile=percentile) < below:
            high = middle
        else:
            low = middle + 1
    return low


def holds(n: int, over: int, *, percentile: float = 0.99) -> bool:
    """Return True if n queries, `over` of them over a latency, show that the percentile is not."""
    return n - over >= least_under(over, percentile=percentile)


def most_over(n: int, *, percentile: float = 0.99) -> int:
    """Return the largest number of queries over the latency with which n of them hold; -1: none."""
    low, high = -1, max(0, int(n * (1 - percentile)) + 1)
    while low < high:
        middle = (low + high + 1) // 2
        if holds(n, middle, percentile=percentile):
            low = middle
        else:
            high = middle - 1
    return low


def estimate(latencies_ms: Sequence[float], *, percentile: float = 0.9) -> float | None:
    """Return the upper estimate of a percentile of a single stream, in ms.

    As LoadGen has it: the t-th largest latency, for the largest t that n queries bear; None if they
    are too few for t = 1 (64 for p90, 662 for p99).
    """
    n = len(latencies_ms)
    over = most_over(n, percentile=percentile)
    if over < 1:
        return None
    return float(np.sort(np.asarray(latencies_ms, dtype=np.float64))[n - over])
