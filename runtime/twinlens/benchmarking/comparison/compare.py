"""Comparison of two records: ratios of their common measures, if they were made alike."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import Final, Self

from twinlens.benchmarking.comparison.verdict import Compared, Comparison, compared
from twinlens.benchmarking.errors import NotComparableError
from twinlens.benchmarking.measures.bootstrap import LEAST_BLOCKS, Ratio, floor_of, ratio_of
from twinlens.benchmarking.measures.series import Series
from twinlens.benchmarking.record import Record, Result
from twinlens.benchmarking.scenarios.pace import NAME as PACE
from twinlens.errors import quoted

QUIET: Final = 0.017
"""Standard deviation of the logarithm of the ratio of two runs of one build that did not wait,
over the pace of the machine; without the pace it is 0.028 (EPYC, AVX-512 VNNI, 2 cores)."""
WAITING: Final[Mapping[str, float]] = MappingProxyType({"cpu": 0.25, "wall": 2.0})
"""The same for each share of its time that a thread waited for a core: where it waited half of it,
the CPU time of an image was 1.4 times as long, and the wall time twice."""
OTHERS: Final = 0.5
"""The same, of wall time, for each share of the cores' time that others took: a second thread may
find no core."""
UNLIKE_OTHERS: Final = 0.15
"""The same, of CPU time, for each share by which the two differ: 16 captions are tokenized by as
many threads as there are cores, and took 1.2 times the CPU where the other core was idle."""
MUCH: Final = 0.1
"""Share of waiting from which a comparison in turn is better."""
UNLIKE: Final = ("server", "mixed")
"""Scenarios of which two runs may have met other loads."""
MACHINE: Final = ("processor", "instructions", "cores", "affinity", "quota_cpus", "usable_threads")
TARGET: Final = ("kind", "sha256", "precision", "device", "threads", "pixels", "operators")


def compare(first: Record, second: Record, *, share: float, names: tuple[str, str]) -> Comparison:
    """Return second over first, of every query that both have measured.

    Times are compared by their floors (`measures.bootstrap`), from raw samples, over the pace of
    the machine. The interval counts that two runs of one build differ, the more the longer threads
    waited for a core.

    Args:
        first: the yardstick.
        second: the one that is judged.
        share: share of time beyond which the second is slower.
        names: names of the two.
    """
    noise = Noise.of(first, second)
    rows = [_row(*pair, share=share, noise=noise) for pair in _pairs(first, second)]
    notes = [*_noted(first, second)]
    if noise.waited > MUCH:
        notes.append(
            f"threads waited for a core {noise.waited:.0%} of the time of a run, so intervals are "
            "wide; compare in turn, with --against or --against-python"
        )
    return Comparison(
        first=names[0],
        second=names[1],
        share=share,
        paired=False,
        partial=first.partial or second.partial,
        notes=tuple(notes),
        rows=tuple(rows),
    )


def require_alike(first: Record, second: Record) -> None:
    """Refuse to compare records that differ in more than the build.

    Raises:
        NotComparableError: the message names the differences.
    """
    found = [*differences(first, second)]
    if found:
        raise NotComparableError(
            f"the two were not made alike: {'; '.join(found)}; compare runs that were, or --force"
        )


def differences(first: Record, second: Record) -> Iterator[str]:
    """Yield each difference that changes times by itself, with both values."""
    if first.driver != second.driver:
        yield f"driver {first.driver} and {second.driver}"
    for part, names in (("machine", MACHINE), ("target", TARGET)):
        one, other = getattr(first, part), getattr(second, part)
        for name in names:
            values = getattr(one, name), getattr(other, name)
            if values[0] != values[1]:
                yield f"{name} {quoted(values[0])} and {quoted(values[1])}"
    if first.inputs.sha256 != second.inputs.sha256:
        yield f"inputs {first.inputs.sha256[:12]} and {second.inputs.sha256[:12]}"
    for field in fields(first.settings):
        values = getattr(first.settings, field.name), getattr(second.settings, field.name)
        if field.name not in ("scenarios", "seconds") and values[0] != values[1]:
            yield f"{field.name} {quoted(values[0])} and {quoted(values[1])}"
    if not any(_pairs(first, second)):
        yield "they have no measured query in common"


def _noted(first: Record, second: Record) -> Iterator[str]:
    """Yield differences that a comparison is made for, or that it can bear."""
    yield from differences(first, second)
    versions: tuple[Mapping[str, str], ...] = (first.versions, second.versions)
    for name in sorted({*versions[0], *versions[1]}):
        values = [found.get(name, "none") for found in versions]
        if values[0] != values[1]:
            yield f"{name} {values[0]} and {values[1]}"
    pace = pace_ratio(first, second)
    if abs(math.log(pace)) > QUIET:
        yield f"the machine took {pace:.3f} times as long for a fixed computation: counted out"


def _pairs(first: Record, second: Record) -> Iterator[tuple[Result, Result]]:
    for result in first.results:
        other = second.found(result.name)
        usable = (one is not None and _enough(one.series) for one in (result, other))
        counted = result.name != PACE and result.scenario not in UNLIKE
        if counted and other is not None and all(usable):
            yield result, other


def _enough(series: Series | None) -> bool:
    return series is not None and len(series.block_ends) >= LEAST_BLOCKS


@dataclass(frozen=True, slots=True, kw_only=True)
class Noise:
    """Difference between two runs that no build has made."""

    pace: float
    """Time of a fixed computation, second over first."""
    waited: float
    """Largest share of its time that a thread waited for a core, of either run."""
    others: tuple[float, float]
    """Shares of the cores' time that others took."""

    @classmethod
    def of(cls, first: Record, second: Record) -> Self:
        """Return the noise of two runs."""
        both = (first, second)
        return cls(
            pace=pace_ratio(first, second),
            waited=max(waited(record.found(PACE)) for record in both),
            others=(first.neighbours.others or 0.0, second.neighbours.others or 0.0),
        )

    def apart(self, clock: str) -> float:
        """Return the standard deviation of the logarithm of a ratio of two runs of one build."""
        one, other = self.others
        beside = UNLIKE_OTHERS * abs(one - other) if clock == "cpu" else OTHERS * max(one, other)
        return QUIET + WAITING[clock] * self.waited + beside


def pace_ratio(first: Record, second: Record) -> float:
    """Return the CPU time of a fixed computation, second over first; 1 where it is not known."""
    series = [found.series for record in (first, second) if (found := record.found(PACE))]
    floors = [floor_of(one.cpu_ms) for one in series if one is not None and one.cpu_ms]
    return floors[1] / floors[0] if len(floors) == 2 else 1.0


def waited(pace: Result | None) -> float:
    """Return the share of its time that the fixed computation waited for a core."""
    if pace is None or pace.series is None or not pace.series.cpu_ms:
        return 0.0
    return max(0.0, 1 - sum(pace.series.cpu_ms) / sum(pace.series.wall_ms))


def _row(first: Result, second: Result, *, share: float, noise: Noise) -> Compared:
    wall, cpu = (_ratio(first, second, clock, noise) for clock in ("wall", "cpu"))
    assert wall is not None
    blocks = min(len(one.series.block_ends) for one in (first, second) if one.series is not None)
    return compared(first.name, wall=wall, cpu=cpu, share=share, blocks=blocks)


def _ratio(first: Result, second: Result, clock: str, noise: Noise) -> Ratio | None:
    series = [one.series for one in (first, second) if one.series is not None]
    blocks = [one.cpu_blocks() if clock == "cpu" else one.wall_blocks() for one in series]
    if not all(blocks):
        return None
    return ratio_of(blocks[0], blocks[1], pace=noise.pace, apart=noise.apart(clock))
