"""Pace: a fixed computation without twinlens, asked in turn with all others.

Two runs of one build differ as the machine's clock and its neighbours do; this says by how much.
"""

import numpy as np

from twinlens.benchmarking.options import Scenario
from twinlens.benchmarking.scenarios.probe import Probe

NAME = "pace of the machine"
SIDE = 96
REPEATS = 4


def probe(scenario: Scenario) -> Probe:
    """Return a product of integer matrices, of about a millisecond, on the calling thread."""
    draw = np.random.default_rng(0)
    first, second = (draw.integers(-9, 9, (SIDE, SIDE), dtype=np.int32) for _ in range(2))

    def act(_: int) -> object:
        return [first @ second for _ in range(REPEATS)]

    return Probe(scenario=scenario, name=NAME, query="pace", items=1, act=act)
