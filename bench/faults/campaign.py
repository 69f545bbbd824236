"""Campaign: cases drawn from a seed, the act that each is given to, and the errors that are right.

Any other end of the act is a fault: another exception, a changed answer, no answer in time, the
death of the process.
"""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from bench.harness.paths import BUILD

WORK: Final = BUILD / "bench-faults"
"""Working folders, logs and the inputs that failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One damaged input."""

    kind: str
    """Sort of damage, for the counts."""
    detail: str = ""
    """Damaged place: a field, a file, a number."""
    content: Any = None


class ChangedAnswer(Exception):  # noqa: N818  an answer that differs is the finding itself
    """The act has answered, otherwise than with the undamaged input; the text says in which way."""


Act = Callable[[Case], str]
"""Runs one case and returns the name of its outcome, or raises."""


class Campaign(Protocol):
    """One question of `bench.faults`."""

    name: str
    count: int
    """Cases of a full run."""
    small_count: int
    """Cases of `--small`."""
    fresh: bool
    """True if each case has a process of its own."""
    refusals: tuple[type[BaseException], ...]
    """Errors that are a right answer."""

    def environment(self) -> Mapping[str, str]:
        """Return the variables of the worker's environment, of which the files are built first.

        Not called by a small run, which builds nothing.
        """

    def draw(self, rng: random.Random, number: int) -> Case:
        """Return a case."""

    def keep(self, case: Case, place: Path) -> None:
        """Write the input of a case into an empty folder."""

    def opened(self) -> Act:
        """Return the act, in the process that runs it."""


def rng_of(campaign: str, seed: int, number: int) -> random.Random:
    """Return the generator of one case, the same in every process."""
    return random.Random(f"{campaign} {seed} {number}")
