"""Thresholds of a decision: precision and recall of "it matches" from a probability on."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

SHOWN: Final = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatingPoint:
    """Figures of one threshold: pairs of at least this probability are said to match."""

    threshold: float
    precision: float | None
    """Share of true matches among the pairs said to match; None if there are none."""
    recall: float
    """Share of the matching pairs said to match."""
    f1: float
    """Harmonic mean of precision and recall."""
    said: float
    """Share of all pairs said to match."""


class Thresholds:
    """Figures of any threshold on M labelled pairs."""

    def __init__(self, probabilities: ArrayLike, labels: ArrayLike) -> None:
        guesses = np.asarray(probabilities, dtype=np.float64)
        truths = np.asarray(labels, dtype=bool)
        if guesses.ndim != 1 or guesses.shape != truths.shape:
            raise ValueError(
                f"probabilities have shape {list(guesses.shape)}, labels {list(truths.shape)}, "
                "wanted the same [M]"
            )
        if not np.isfinite(guesses).all():
            raise ValueError("a probability is not finite; leave out pairs without a score")
        if not truths.any():
            raise ValueError("no pair matches; a threshold is chosen on some that do")
        order = np.argsort(guesses, kind="stable")
        self._ascending = guesses[order]
        # Number of matching pairs below each position.
        self._below = np.concatenate([[0], np.cumsum(truths[order])])
        self._n_matching = int(truths.sum())

    def at(self, threshold: float) -> OperatingPoint:
        """Return the figures of one threshold."""
        first = int(np.searchsorted(self._ascending, threshold, side="left"))
        n_said = len(self._ascending) - first
        right = self._n_matching - int(self._below[first])
        return OperatingPoint(
            threshold=threshold,
            precision=right / n_said if n_said else None,
            recall=right / self._n_matching,
            f1=2 * right / (n_said + self._n_matching),
            said=n_said / len(self._ascending),
        )

    def table(self) -> tuple[OperatingPoint, ...]:
        """Return the figures of round thresholds."""
        return tuple(self.at(threshold) for threshold in SHOWN)
