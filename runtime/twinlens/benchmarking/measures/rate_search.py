"""Bisection of the largest rate that holds a bound."""

import math
from typing import Final

STEP: Final = 2.0
"""Factor between two rates while only one side is known."""


class RateSearch:
    """Bracket of a rate: held at its lower end, broken at its upper one; without a clock."""

    def __init__(self, guess: float, *, within: float = 1.05) -> None:
        """Begin at a guess.

        Args:
            guess: first rate.
            within: quotient of the ends at which the search ends.
        """
        self._next, self._within = guess, within
        self.held: float | None = None
        """Largest rate that has held."""
        self.broken: float | None = None
        """Smallest rate that has not."""

    @property
    def rate(self) -> float:
        """The rate to be tried next."""
        return self._next

    @property
    def done(self) -> bool:
        """True if the two ends are near enough."""
        if self.held is None or self.broken is None:
            return False
        return self.broken / self.held <= self._within

    def note(self, rate: float, *, holds: bool) -> None:
        """Note the outcome at a rate: a larger rate that held, though a lower broke, counts."""
        if holds:
            self.held = rate if self.held is None else max(self.held, rate)
            if self.broken is not None and self.broken <= self.held:
                self.broken = None
        else:
            self.broken = rate if self.broken is None else min(self.broken, rate)
            if self.held is not None and self.held >= self.broken:
                self.held = None
        if self.held is None:
            self._next = rate / STEP if self.broken is None else self.broken / STEP
        elif self.broken is None:
            self._next = self.held * STEP
        else:
            self._next = math.sqrt(self.held * self.broken)
