"""Summaries of latencies: quantiles in milliseconds."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from bench.serving.load.closed_loop import Counted
from bench.serving.load.open_loop import Sent

Facts = dict[str, Any]


def quantiles_ms(seconds: Sequence[float]) -> Facts:
    """Return p50, p90, p99 and the largest of latencies."""
    if not seconds:
        return {"n": 0}
    values = 1e3 * np.asarray(seconds)
    p50, p90, p99 = (round(float(np.quantile(values, part)), 3) for part in (0.5, 0.9, 0.99))
    largest = round(float(values.max()), 2)
    return {"n": len(values), "p50": p50, "p90": p90, "p99": p99, "max": largest}


def summary(sent: Sequence[Sent], *, warm_s: float) -> Facts:
    """Return latencies from the planned arrival, and the ends of all requests of one stream.

    Latencies leave the first `warm_s` out; the counts of ends do not.
    """
    counted = [one for one in sent if one.due >= warm_s]
    answered = [one for one in counted if one.outcome.status == 200]
    refused = [one for one in counted if one.outcome.status == 429]
    found = quantiles_ms([one.ended - one.due for one in answered])
    found["lag_p99"] = quantiles_ms([one.sent - one.due for one in counted]).get("p99")
    found["ends"] = dict(Counter(one.outcome.fault or str(one.outcome.status) for one in sent))
    found["compared"] = sum(one.outcome.is_right is not None for one in sent)
    found["wrong"] = sum(one.outcome.is_right is False for one in sent)
    if refused:
        found["refused_ms"] = quantiles_ms([one.ended - one.due for one in refused])
        # The generator itself waits for a core then; this leaves its own lag out.
        found["refused_since_sent_ms"] = quantiles_ms([one.ended - one.sent for one in refused])
    return found


def closed_summary(counted: Counted) -> Facts:
    """Return items and requests a second, and latencies from the sending."""
    return {
        "items_a_second": round(counted.items / counted.seconds, 2),
        "requests_a_second": round(len(counted.latencies_s) / counted.seconds, 2),
        **quantiles_ms(counted.latencies_s),
        "ends": dict(counted.statuses),
        "wrong": counted.wrong,
    }
