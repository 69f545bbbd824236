"""Comparison of two records: ratios of what both have measured, if they were made alike."""

from collections.abc import Iterator, Mapping
from dataclasses import fields
from types import MappingProxyType
from typing import Final

from twinlens.benchmarking.comparison.verdict import Compared, Comparison, compared
from twinlens.benchmarking.errors import NotComparableError
from twinlens.benchmarking.machine.neighbours import Neighbours
from twinlens.benchmarking.measures.bootstrap import LEAST_BLOCKS, Ratio, ratio_of
from twinlens.benchmarking.measures.series import Series
from twinlens.benchmarking.record import Record, Result
from twinlens.benchmarking.scenarios.pace import NAME as PACE
from twinlens.errors import quoted

QUIET: Final = 0.008
"""Standard deviation of the logarithm between two runs of one build on a machine without others."""
BUSY: Final[Mapping[str, float]] = MappingProxyType({"cpu": 0.1, "wall": 1.0})
"""The same, for each share of the cores' time that others take: beside 75 % of them the CPU time of
a build lay 8 % apart, its wall time a factor of 2."""
MUCH: Final = 0.1
"""Share of the cores' time, taken by others, from which a comparison in turn is better."""
MACHINE: Final = ("processor", "instructions", "cores", "affinity", "quota_cpus", "usable_threads")
TARGET: Final = ("kind", "sha256", "precision", "device", "threads", "pixels", "operators")


def compare(first: Record, second: Record, *, share: float, names: tuple[str, str]) -> Comparison:
    """Return second over first, of every query that both have measured.

    Times are compared by their floors (`measures.bootstrap`), from raw samples. The interval counts
    that two runs of one build differ, the more the busier the machine was.

    Args:
        first: the yardstick.
        second: the one that is judged.
        share: share of time beyond which the second is slower.
        names: names of the two.
    """
    pairs = list(_pairs(first, second))
    count = 2 * len(pairs)
    taken = max(map(_taken, (first.neighbours, second.neighbours)))
    rows = [_row(*pair, share=share, taken=taken, comparisons=count) for pair in pairs]
    notes = [*_noted(first, second)]
    if taken > MUCH:
        notes.append(
            f"others took {taken:.0%} of the cores' time of a run: intervals are wide; "
            "compare in turn, with --against or --against-python"
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
    """Refuse to compare what differs in more than the build.

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
    pace = [record.found(PACE) for record in (first, second)]
    if pace[0] is not None and pace[1] is not None:
        ratio = _ratio(pace[0], pace[1], "cpu", taken=0.0, comparisons=1)
        if ratio is not None and not ratio.low <= 1 <= ratio.high:
            yield f"the machine itself took {ratio.value:.3f} times as long for a fixed computation"


def _pairs(first: Record, second: Record) -> Iterator[tuple[Result, Result]]:
    for result in first.results:
        other = second.found(result.name)
        usable = (one is not None and _enough(one.series) for one in (result, other))
        if result.name != PACE and other is not None and all(usable):
            yield result, other


def _enough(series: Series | None) -> bool:
    return series is not None and len(series.block_ends) >= LEAST_BLOCKS


def _row(
    first: Result, second: Result, *, share: float, taken: float, comparisons: int
) -> Compared:
    wall, cpu = (
        _ratio(first, second, clock, taken=taken, comparisons=comparisons)
        for clock in ("wall", "cpu")
    )
    assert wall is not None
    blocks = min(len(one.series.block_ends) for one in (first, second) if one.series is not None)
    return compared(first.name, wall=wall, cpu=cpu, share=share, blocks=blocks)


def _ratio(
    first: Result, second: Result, clock: str, *, taken: float, comparisons: int
) -> Ratio | None:
    series = [one.series for one in (first, second)]
    assert series[0] is not None
    assert series[1] is not None
    blocks = [one.cpu_blocks() if clock == "cpu" else one.wall_blocks() for one in series if one]
    if not all(blocks):
        return None
    apart = max(QUIET, BUSY[clock] * taken)
    return ratio_of(blocks[0], blocks[1], apart=apart, comparisons=comparisons)


def _taken(neighbours: Neighbours) -> float:
    """Return the share of the cores' time that was not ours; 0 where the system tells none."""
    return (neighbours.others or 0.0) + (neighbours.steal or 0.0)
