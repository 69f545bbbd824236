"""Arrivals of queries: a schedule that does not wait for answers."""

import random


def poisson(rate: float, *, seconds: float, seed: str) -> list[float]:
    """Return the seconds of arrivals of a Poisson process of `rate` a second, ascending.

    Every caller of many asks when he likes: the gaps are exponential and independent, and the same
    seed gives the same schedule. Where chance gives none in so short a time, one arrives at once:
    a run without a query would have measured nothing.
    """
    draw = random.Random(seed)  # noqa: S311  a schedule is no secret
    times: list[float] = []
    due = draw.expovariate(rate)
    while due < seconds:
        times.append(due)
        due += draw.expovariate(rate)
    return times or [0.0]
