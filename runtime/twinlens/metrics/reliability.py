"""Reliability of probabilities: calibrated, if of the pairs given 0.8, 8 of 10 match."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from twinlens.metrics.bootstrap import RESAMPLES, Estimate, Resamples, interval

F64 = NDArray[np.float64]
Bools = NDArray[np.bool_]

BINS: Final = 15
HISTOGRAM_BINS: Final = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredPairs:
    """M labelled pairs with a model's cosine and probability of each."""

    cosines: NDArray[np.float32]
    """[M]"""
    probabilities: NDArray[np.float32]
    """[M]"""
    labels: Bools
    """[M], True for matching pairs."""
    images: NDArray[np.intp]
    """[M], number of the pair's image: pairs of one image are resampled together."""

    def __post_init__(self) -> None:
        for name in ("probabilities", "labels", "images"):
            got, wanted = np.shape(getattr(self, name)), np.shape(self.cosines)
            if got != wanted or len(wanted) != 1:
                raise ValueError(f"{name} has shape {list(got)}, cosines {list(wanted)}, not [M]")

    def of(self, images: NDArray[np.intp]) -> "ScoredPairs | None":
        """Return the pairs of some images; None if all of these match, or none does."""
        kept = np.isin(self.images, images)
        labels = self.labels[kept]
        if not labels.any() or labels.all():
            return None
        return ScoredPairs(
            cosines=self.cosines[kept],
            probabilities=self.probabilities[kept],
            labels=labels,
            images=self.images[kept],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagram:
    """Reliability diagram: mean probability and share of matches, in bins of equal mass."""

    probabilities: tuple[float, ...]
    """Mean probability of each non-empty bin."""
    shares: tuple[Estimate, ...]
    """Share of matches of each non-empty bin."""
    counts: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Histograms:
    """Counts of pairs in equal steps between the edges."""

    edges: tuple[float, ...]
    matching: tuple[int, ...]
    others: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """Quality of one kind of probability; lower is better, except for the AUC."""

    ece: Estimate
    brier: Estimate
    log_loss: Estimate
    auc: Estimate
    diagram: Diagram


@dataclass(frozen=True, slots=True, kw_only=True)
class Reliability:
    """Calibrated probabilities beside two baselines, on the same pairs."""

    pairs: int
    images: int
    base_rate: float
    """Share of matching pairs."""
    calibrated: Quality
    half_cosine: Quality
    """Quality of (1 + cosine) / 2, AutoGluon's probability."""
    constant: Quality
    """Quality of the base rate given for every pair: perfectly calibrated, but uninformative."""
    cosine_auc: Estimate
    """AUC of the raw cosines: a calibration keeps the order, so it differs only by rounding."""
    probabilities: Histograms
    cosines: Histograms


def ece(probabilities: ArrayLike, labels: ArrayLike, *, bins: int = BINS) -> float:
    """Expected calibration error: mean distance of probability and label over the bins.

    Naeini et al. 2015, in bins of equal mass as Nixon et al. 2019 advise. The edges are the
    quantiles; equal probabilities share a bin, so some bins may be larger or stay empty.

    >>> ece([0.5, 0.5, 0.5, 0.5], [1, 1, 1, 0])
    0.25
    """
    guesses, truths = _check(probabilities, labels)
    bin_of = _bins(guesses, bins)
    gaps = np.bincount(bin_of, weights=guesses - truths)
    return float(np.abs(gaps).sum() / len(guesses))


def brier(probabilities: ArrayLike, labels: ArrayLike) -> float:
    """Mean squared distance of probability and label (Brier 1950).

    >>> brier([1.0, 0.5], [1, 0])
    0.125
    """
    guesses, truths = _check(probabilities, labels)
    return float(_squares(guesses, truths).mean())


def log_loss(probabilities: ArrayLike, labels: ArrayLike) -> float:
    """Mean of -log of the probability of the true label, in nats (Good 1952).

    0 and 1 are moved by one rounding step: a single wrong certainty would make it infinite.

    >>> round(log_loss([0.5, 0.5], [1, 0]), 4)
    0.6931
    """
    guesses, truths = _check(probabilities, labels)
    return float(_log_losses(guesses, truths, _step(probabilities)).mean())


def auc(scores: ArrayLike, labels: ArrayLike) -> float:
    """Probability that a matching pair scores higher than another; a tie counts half.

    The Mann-Whitney statistic (Hanley and McNeil 1982).

    >>> auc([0.9, 0.4, 0.4], [1, 1, 0])
    0.75

    Raises:
        ValueError: all pairs match, or none does.
    """
    values, truths = _check(scores, labels)
    if not 0 < truths.sum() < len(truths):
        raise ValueError("the AUC needs pairs that match and pairs that do not; give both")
    return _auc(_RankedTruths(values, truths), np.ones(len(values)))


def measure_reliability(
    scored: ScoredPairs, *, bins: int = BINS, resamples: int = RESAMPLES, seed: int = 0
) -> Reliability:
    """Compute all figures of labelled pairs, each with its 95 % interval over images.

    Raises:
        ValueError: all pairs match, or none does; a score is not finite.
    """
    drawn = Resamples(scored.images, resamples=resamples, seed=seed)
    cosines = np.asarray(scored.cosines, dtype=np.float64)
    base_rate = float(scored.labels.mean())

    def quality(probabilities: NDArray[np.floating]) -> Quality:
        return _quality(probabilities, scored.labels, drawn, bins)

    return Reliability(
        pairs=len(cosines),
        images=drawn.n_groups,
        base_rate=base_rate,
        calibrated=quality(scored.probabilities),
        half_cosine=quality(np.clip((1 + cosines) / 2, 0, 1)),
        constant=quality(np.full_like(cosines, base_rate)),
        cosine_auc=_auc_figure(cosines, scored.labels, drawn),
        probabilities=_histograms(scored.probabilities, scored.labels, 0.0, 1.0),
        cosines=_histograms(cosines, scored.labels, float(cosines.min()), float(cosines.max())),
    )


def _quality(
    probabilities: NDArray[np.floating], labels: Bools, drawn: Resamples, bins: int
) -> Quality:
    guesses, truths = _check(probabilities, labels)
    losses = _log_losses(guesses, truths, _step(probabilities))
    bin_of = _bins(guesses, bins)
    filled = [bin_of == number for number in np.unique(bin_of)]
    masses = np.stack([drawn.sums(inside) for inside in filled])
    gaps = np.stack([drawn.sums((guesses - truths) * inside) for inside in filled])
    hits = np.stack([drawn.sums(truths * inside) for inside in filled])
    shares = np.divide(hits, masses, out=np.full_like(hits, np.nan), where=masses > 0)
    return Quality(
        ece=interval(
            ece(guesses, truths, bins=bins),
            np.abs(gaps).sum(axis=0) / masses.sum(axis=0),
            groups=drawn.n_groups,
            least=0,
            most=1,
        ),
        brier=drawn.mean(_squares(guesses, truths), most=1),
        log_loss=drawn.mean(losses),
        auc=_auc_figure(guesses, labels, drawn),
        diagram=Diagram(
            probabilities=tuple(float(guesses[inside].mean()) for inside in filled),
            shares=tuple(
                interval(
                    float(truths[inside].mean()),
                    replicates,
                    groups=len(np.unique(drawn.groups[inside])),
                    least=0,
                    most=1,
                )
                for inside, replicates in zip(filled, shares, strict=True)
            ),
            counts=tuple(int(inside.sum()) for inside in filled),
        ),
    )


def _auc_figure(scores: F64, labels: Bools, drawn: Resamples) -> Estimate:
    ranked = _RankedTruths(scores, labels.astype(np.float64))
    replicates = [_auc(ranked, counts[drawn.groups].astype(np.float64)) for counts in drawn.counts]
    scarcer = int(min(labels.sum(), len(labels) - labels.sum(), drawn.n_groups))
    return interval(auc(scores, labels), np.array(replicates), groups=scarcer, least=0, most=1)


class _RankedTruths:
    """Labels in ascending order of scores, with the starts of runs of equal scores."""

    def __init__(self, scores: F64, truths: F64) -> None:
        self.order = np.argsort(scores, kind="stable")
        ascending = scores[self.order]
        self.starts = np.flatnonzero(np.concatenate([[True], ascending[1:] != ascending[:-1]]))
        self.truths = truths[self.order]


def _auc(ranked: _RankedTruths, weights: F64) -> float:
    loads = weights[ranked.order]
    matching = np.add.reduceat(loads * ranked.truths, ranked.starts)
    others = np.add.reduceat(loads * (1 - ranked.truths), ranked.starts)
    pairs = matching.sum() * others.sum()
    below = np.cumsum(others) - others / 2
    return float(matching @ below / pairs) if pairs else float("nan")


def _bins(probabilities: F64, bins: int) -> NDArray[np.intp]:
    if bins < 1:
        raise ValueError(f"bins is {bins}, not a positive number")
    edges = np.quantile(probabilities, np.linspace(0, 1, bins + 1))
    return np.searchsorted(edges[1:-1], probabilities)


def _squares(guesses: F64, truths: F64) -> F64:
    return (guesses - truths) ** 2


def _log_losses(guesses: F64, truths: F64, step: float) -> F64:
    kept = np.clip(guesses, step, 1 - step)
    return -np.log(np.where(truths > 0, kept, 1 - kept))


def _step(probabilities: ArrayLike) -> float:
    kind = np.asarray(probabilities).dtype
    return float(np.finfo(kind if kind.kind == "f" else np.float64).eps)


def _histograms(scores: NDArray[np.floating], labels: Bools, low: float, high: float) -> Histograms:
    matching, edges = np.histogram(scores[labels], HISTOGRAM_BINS, (low, high))
    others, _ = np.histogram(scores[~labels], edges)
    return Histograms(
        edges=tuple(edges.tolist()),
        matching=tuple(matching.tolist()),
        others=tuple(others.tolist()),
    )


def _check(scores: ArrayLike, labels: ArrayLike) -> tuple[F64, F64]:
    values = np.asarray(scores, dtype=np.float64)
    truths = np.asarray(labels, dtype=np.float64)
    if values.ndim != 1 or values.shape != truths.shape or not values.size:
        raise ValueError(
            f"scores have shape {list(values.shape)}, labels {list(truths.shape)}, "
            "wanted the same [M] with M > 0"
        )
    if not np.isfinite(values).all():
        raise ValueError("a score is not finite; leave out pairs without a score")
    if not np.isin(truths, (0, 1)).all():
        raise ValueError("a label is neither 0 nor 1")
    return values, truths
