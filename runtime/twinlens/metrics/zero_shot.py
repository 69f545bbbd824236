"""Zero-shot classification metrics: top-1 and top-5 accuracy."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from twinlens.metrics.bootstrap import Estimate, Resamples
from twinlens.metrics.retrieval import F64, Ranks, measure_change

MEASURES: Final[Mapping[str, str]] = {"top1": "top-1", "top5": "top-5"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ZeroShot:
    """Accuracy of zero-shot classification: the image's own label among the 1 or 5 nearest."""

    images: int
    labels: tuple[str, ...]
    figures: Mapping[str, Estimate]
    """top1 and top5; of equal cosines, the earlier label comes first."""
    change: Mapping[str, Estimate] | None = None
    """Difference to the reference, paired by image; a loss is below 0."""


def measure_zero_shot(
    ranks: Ranks,
    drawn: Resamples,
    *,
    labels: Sequence[str],
    before: Ranks | None = None,
) -> ZeroShot:
    """Compute top-1 and top-5 with their intervals; each image has one relevant label, its own."""
    hits = _hits(ranks)
    return ZeroShot(
        images=len(ranks.firsts),
        labels=tuple(labels),
        figures={name: drawn.mean(values, most=1) for name, values in hits.items()},
        change=None if before is None else measure_change(hits, _hits(before), drawn),
    )


def _hits(ranks: Ranks) -> dict[str, F64]:
    return {
        "top1": (ranks.firsts < 1).astype(np.float64),
        "top5": (ranks.firsts < 5).astype(np.float64),
    }
