"""Quantiles of latencies."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantiles:
    """Quantiles of n latencies in ms: order statistics, each a latency that was measured.

    The q-quantile is the smallest latency that at least q n of them do not exceed (Hyndman and Fan
    1996, type 1), so that "p99 is 20 ms" says that 99 of 100 took no more.
    """

    n: int
    p50: float
    p90: float
    p99: float
    most: float

    @classmethod
    def of(cls, latencies_ms: Sequence[float]) -> Self | None:
        """Return the quantiles of latencies; None if there are none."""
        if not len(latencies_ms):
            return None
        values = np.asarray(latencies_ms, dtype=np.float64)
        p50, p90, p99 = (
            float(value) for value in np.quantile(values, (0.5, 0.9, 0.99), method="inverted_cdf")
        )
        return cls(n=len(values), p50=p50, p90=p90, p99=p99, most=float(values.max()))
