"""Thresholds: what is won and lost by saying "it matches" from a probability on."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

F64 = NDArray[np.float64]

SHOWN: Final = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What happens if every pair of at least this probability is said to match."""

    threshold: float
    precision: float | None
    """Share of the pairs said to match that do; None if no pair is said to."""
    recall: float
    """Share of the matching pairs that are said to match."""
    f1: float
    """Harmonic mean of precision and recall."""
    said: float
    """Share of all pairs said to match."""


class Thresholds:
    """Every threshold that tells M pairs of known truth apart in its own way."""

    def __init__(self, probabilities: ArrayLike, labels: ArrayLike) -> None:
        guesses = np.asarray(probabilities, dtype=np.float64)
        truths = np.asarray(labels, dtype=bool)
        if guesses.ndim != 1 or guesses.shape != truths.shape:
            raise ValueError(
                f"probabilities have shape {list(guesses.shape)}, labels {list(truths.shape)}, "
                "wanted the same [M]"
            )
        if not np.isfinite(guesses).all():
            raise ValueError("a probability is not finite; leave out what could not be scored")
        if not truths.any():
            raise ValueError("no pair matches; a threshold is chosen on some that do")
        order = np.argsort(guesses, kind="stable")
        self._ascending = guesses[order]
        # How many pairs, and how many that match, lie below each place.
        self._below = np.concatenate([[0], np.cumsum(truths[order])])
        self._n_matching = int(truths.sum())

    def at(self, threshold: float) -> Decision:
        """The figures of one threshold."""
        first = int(np.searchsorted(self._ascending, threshold, side="left"))
        n_said = len(self._ascending) - first
        right = self._n_matching - int(self._below[first])
        return Decision(
            threshold=threshold,
            precision=right / n_said if n_said else None,
            recall=right / self._n_matching,
            f1=2 * right / (n_said + self._n_matching),
            said=n_said / len(self._ascending),
        )

    def for_precision(self, target: float) -> Decision:
        """The lowest threshold, and so the highest recall, of at least this precision.

        Raises:
            ValueError: no threshold has it, or it is not between 0 and 1.
        """
        _require_share(target, "precision")
        values, right, said = self._steps()
        enough = np.flatnonzero(right / said >= target)
        if not enough.size:
            best = float((right / said).max())
            raise ValueError(f"no threshold has a precision of {target}; the best is {best:.4f}")
        return self.at(float(values[enough[0]]))

    def for_recall(self, target: float) -> Decision:
        """The highest threshold of at least this recall.

        Raises:
            ValueError: the recall is not between 0 and 1.
        """
        _require_share(target, "recall")
        values, right, _ = self._steps()
        return self.at(float(values[np.flatnonzero(right / self._n_matching >= target)[-1]]))

    def table(self) -> tuple[Decision, ...]:
        """The figures of round thresholds."""
        return tuple(self.at(threshold) for threshold in SHOWN)

    def _steps(self) -> tuple[F64, F64, F64]:
        """Each probability once, ascending; from it on, how many match and how many there are."""
        values, firsts = np.unique(self._ascending, return_index=True)
        right = (self._n_matching - self._below[firsts]).astype(np.float64)
        return values, right, (len(self._ascending) - firsts).astype(np.float64)


def _require_share(target: float, name: str) -> None:
    if not 0 < target <= 1:
        raise ValueError(f"{name} is {target}, not between 0 and 1")
