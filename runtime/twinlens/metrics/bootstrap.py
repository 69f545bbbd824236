"""Bootstrap confidence intervals of figures, clustered by image.

Whole images are resampled, with all their pairs: captions and negatives of one image are not
independent, and resampling single pairs would make the intervals too narrow (Davison and Hinkley
1997, 3.8). Both ends lie 1.96 standard errors away (Efron and Tibshirani 1993, 12.2), not at the
percentiles of the resamples: noise adds to a calibration error, so those would lie above the
figure itself.
"""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

F64 = NDArray[np.float64]

RESAMPLES: Final = 1000
Z: Final = 1.959963984540054
"""Half the width of a 95 % interval, in standard errors."""
_ROUNDING: Final = 1e-6
"""Reach of resamples that are all equal: float32 sums differ by less."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """Measured figure with its 95 % interval."""

    value: float
    low: float
    high: float


class Resamples:
    """R bootstrap resamples of G groups, and the figures on them.

    The same seed and groups give the same resamples, so two figures on them are paired.
    """

    def __init__(self, groups: ArrayLike, *, resamples: int = RESAMPLES, seed: int = 0) -> None:
        _, self.groups = np.unique(np.asarray(groups), return_inverse=True)
        if not self.groups.size:
            raise ValueError("there is nothing to resample: no pairs")
        self.n_groups = int(self.groups.max()) + 1
        generator = np.random.default_rng(seed)
        # float32 holds counts exactly, and an interval to far more digits than are meaningful.
        self.counts = np.empty((resamples, self.n_groups), dtype=np.float32)
        """[R, G], times that a resample holds a group."""
        for row in self.counts:
            drawn = generator.integers(self.n_groups, size=self.n_groups)
            row[:] = np.bincount(drawn, minlength=self.n_groups)

    def sums(self, values: ArrayLike) -> F64:
        """Return the sum of values [M] in each resample [R]."""
        numbers = np.asarray(values, dtype=np.float64)
        of_groups = np.bincount(self.groups, weights=numbers, minlength=self.n_groups)
        return (self.counts @ of_groups.astype(np.float32)).astype(np.float64)

    def mean(self, values: ArrayLike, *, least: float = 0, most: float = math.inf) -> Estimate:
        """Return the mean of values [M] with its interval."""
        numbers = np.asarray(values, dtype=np.float64)
        means = self.sums(numbers) / self.sums(np.ones_like(numbers))
        return interval(float(numbers.mean()), means, groups=self.n_groups, least=least, most=most)


def interval(
    value: float,
    replicates: F64,
    *,
    groups: int,
    least: float = -math.inf,
    most: float = math.inf,
) -> Estimate:
    """Return a figure with its interval from replicates [R], clipped to its possible values.

    A resample without a defined figure is NaN and does not count. A figure at one end of its
    possible values, from which no resample differs, reaches as far as the Wilson score interval of
    G successes in G trials (Wilson 1927): ten right answers of ten are [0.72, 1], not certainty.

    Args:
        value: the figure on all groups.
        replicates: the figure on each resample.
        groups: G, the number of groups that the figure is about.
        least: smallest possible value.
        most: largest possible value.
    """
    known = replicates[np.isfinite(replicates)]
    reach = Z * float(known.std(ddof=1)) if known.size > 1 else 0.0
    if reach < _ROUNDING and value in (least, most):
        reach = Z**2 / (groups + Z**2)
    return Estimate(value=value, low=max(least, value - reach), high=min(most, value + reach))
