"""Settings of a run: its scenarios, their time, and the loads."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal, get_args

Scenario = Literal["single", "offline", "server", "mixed", "search", "cold"]
Driver = Literal["own", "loadgen"]
"""Driver of the queries: twinlens itself, or MLCommons LoadGen."""

SCENARIOS: Final[tuple[Scenario, ...]] = get_args(Scenario)
SHARES: Final[Mapping[str, float]] = MappingProxyType(
    {"single": 8, "offline": 10, "server": 12, "mixed": 4, "search": 2, "cold": 4}
)
"""Time of each scenario, beside the others."""
STEADY: Final[frozenset[str]] = frozenset({"single", "offline", "search"})
"""Scenarios whose queries are asked one after the other; their blocks alternate."""
SECONDS: Final = 40.0
BOUND_MS: Final = 100.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Settings of a run; two runs are compared if these are equal."""

    scenarios: tuple[Scenario, ...] = SCENARIOS
    seconds: float = SECONDS
    """Time of measuring, of all scenarios together."""
    bound_ms: float = BOUND_MS
    """Latency that 99 of 100 queries of a server keep."""
    batches: tuple[int, ...] = (1, 4, 16, 64)
    """Items of the queries of `offline`."""
    texts_a_second: float = 40.0
    """Interactive texts of `mixed`."""
    bulk_images: int = 32
    """Images of a bulk request of `mixed`."""
    search_rows: int = 100_000
    search_queries: tuple[int, ...] = (1, 16)
    """Queries of one search."""
    search_k: int = 10
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.scenarios or len(set(self.scenarios)) < len(self.scenarios):
            raise ValueError(f"scenarios are {self.scenarios}, wanted some of {SCENARIOS}, once")
        if not self.seconds > 0 or not self.bound_ms > 0:
            raise ValueError("seconds and bound_ms are not both above 0")

    def seconds_of(self, *scenarios: str) -> float:
        """Return the time of some of the scenarios together."""
        every = sum(SHARES[name] for name in self.scenarios)
        return self.seconds * sum(SHARES[n] for n in scenarios if n in self.scenarios) / every
