"""The hardest samples: those on which a tower is too far from the reference model.

Another try at the tower is judged by these few first: where it fails on them it fails on all.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from twinlens_export.architecture import F32
from twinlens_export.verification.samples import Samples
from twinlens_export.verification.verify import (
    TIE,
    Reference,
    Tolerance,
    cosines_of,
)

Places = NDArray[np.intp]

MOST: Final = 17
"""Samples of each kind, too far or ranked otherwise: a batch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Rows of the reference model, and those of them that are ranked."""

    rows: F32
    """[N, D]"""
    gallery: F32
    """Rows [M, D] that are ranked by cosine."""
    queries: range
    """Places of the samples that they are ranked for."""

    def ranked_otherwise(self, rows: F32, places: Places) -> NDArray[np.float32]:
        """Return the cosine that is lost by taking the first of a tower's ranking, of each sample.

        Zero where it is the reference model's first, a tie with it, or the sample is no query.

        Args:
            rows: of the tower [n, D].
            places: of these samples [n].
        """
        scores = self.rows[places] @ self.gallery.T
        first = np.argmax(rows @ self.gallery.T, axis=1)[:, None]
        lost = scores.max(axis=1) - np.take_along_axis(scores, first, axis=1)[:, 0]
        is_query = (places >= self.queries.start) & (places < self.queries.stop)
        # Rows of NaN are ranked by nothing.
        wrong = is_query & ((lost > TIE) | ~np.isfinite(rows).all(axis=1))
        return np.where(wrong, np.maximum(lost, TIE), 0).astype(np.float32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hardest:
    """The samples on which one try at a tower failed."""

    wanted: Wanted
    tolerance: Tolerance
    places: Places
    """Samples to embed again."""
    misranked: Places
    """Of them those that were ranked otherwise."""
    n_misranked: int
    """Number of all samples that were."""

    @classmethod
    def of(cls, rows: F32, wanted: Wanted, tolerance: Tolerance) -> "Hardest":
        """Return the hardest samples for a tower, of which the rows of all samples are given."""
        cosines = np.nan_to_num(cosines_of(rows, wanted.rows), nan=-1)
        by_cosine = np.argsort(cosines, kind="stable")
        far = by_cosine[cosines[by_cosine] < tolerance.worst_cosine][:MOST]
        lost = wanted.ranked_otherwise(rows, np.arange(len(rows)))
        by_loss = np.argsort(-lost, kind="stable")[: np.count_nonzero(lost)]
        spread = np.linspace(0, len(by_loss) - 1, min(MOST, len(by_loss))).round().astype(np.intp)
        misranked = by_loss[spread]
        return cls(
            wanted=wanted,
            tolerance=tolerance,
            places=np.union1d(far, misranked).astype(np.intp),
            misranked=misranked,
            n_misranked=len(by_loss),
        )

    def seem_near(self, embed: Callable[[Places], F32]) -> bool:
        """Return True if another try is near enough on these samples.

        Of those that were ranked otherwise it must lose no larger share than all may.

        Args:
            embed: returns the rows [n, D] of the samples at some places.
        """
        if not len(self.places):
            return True
        rows = embed(self.places)
        cosines = cosines_of(rows, self.wanted.rows[self.places])
        if not (cosines >= self.tolerance.worst_cosine).all():  # NaN is too low
            return False
        if not len(self.misranked):
            return True
        among = np.isin(self.places, self.misranked)
        lost = self.wanted.ranked_otherwise(rows[among], self.places[among])
        left = self.n_misranked * np.count_nonzero(lost) / len(self.misranked)
        count = len(self.wanted.queries)
        return bool((count - left) / count >= self.tolerance.top1)


def wanted_images(samples: Samples, reference: Reference) -> Wanted:
    """Return the rows of the images, which rank the captions, or else the images' first half."""
    rows, gallery = reference.images, reference.texts[: samples.n_captions]
    return _wanted(rows, gallery, len(rows), samples.n_images)


def wanted_texts(samples: Samples, reference: Reference) -> Wanted:
    """Return the rows of the texts, which rank the images, or else the captions' first half."""
    rows = np.concatenate([reference.texts, reference.full_texts])
    gallery = reference.images[: samples.n_images]
    return _wanted(rows, gallery, len(reference.texts), samples.n_captions)


def _wanted(rows: F32, gallery: F32, n_queries: int, n_distinct: int) -> Wanted:
    if len(gallery):
        return Wanted(rows=rows, gallery=gallery, queries=range(n_queries))
    half = n_distinct // 2
    return Wanted(rows=rows, gallery=rows[:half], queries=range(half, n_queries))
