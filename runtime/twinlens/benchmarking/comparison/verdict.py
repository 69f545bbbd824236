"""Verdicts on the ratio of two times."""

from dataclasses import dataclass
from typing import Literal

from twinlens.benchmarking.measures.bootstrap import Ratio

Verdict = Literal["slower", "faster", "equal", "unsure"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """Times of one query, second over first."""

    name: str
    wall: Ratio
    cpu: Ratio | None = None
    """None where another process computes."""
    verdict: Verdict
    blocks: int
    """Blocks that the interval stands on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Two runs, or two sides in turn."""

    first: str
    second: str
    share: float
    """Share beyond which a query is slower."""
    paired: bool
    partial: bool = False
    worst_cosine: float | None = None
    """Of the rows of the two sides, if both were at hand."""
    notes: tuple[str, ...] = ()
    """Differences that do not forbid the comparison."""
    rows: tuple[Compared, ...]

    @property
    def is_slower(self) -> bool:
        """True if a query is slower by more than the share."""
        return any(row.verdict == "slower" for row in self.rows)


def compared(name: str, *, wall: Ratio, cpu: Ratio | None, share: float, blocks: int) -> Compared:
    """Return the verdict on one query, of its CPU time and its wall time.

    Slower, or faster, is a whole interval beyond the share; equal is one within it.
    """
    verdicts = [verdict_on(ratio, share) for ratio in (cpu, wall) if ratio is not None]
    return Compared(name=name, wall=wall, cpu=cpu, verdict=joint(verdicts), blocks=blocks)


def verdict_on(ratio: Ratio, share: float) -> Verdict:
    """Return the verdict on one ratio."""
    most = 1 + share
    if ratio.low > most:
        return "slower"
    if ratio.high < 1 / most:
        return "faster"
    return "equal" if ratio.low >= 1 / most and ratio.high <= most else "unsure"


def joint(verdicts: list[Verdict]) -> Verdict:
    """Return the verdict of CPU time and wall time: either of them counts.

    On a machine with neighbours only CPU time has a narrow interval. Where both are known and one
    shows more time, it is slower, whatever the other says: a wait costs no CPU.
    """
    for verdict in ("slower", "faster", "equal"):
        if verdict in verdicts:
            return verdict
    return "unsure"
