"""Fits through a model: pairs left out, figures held out, and the fields of the calibration."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from twinlens.bundle.calibration import Calibration
from twinlens.bundle.curves import BetaCurve, IsotonicCurve, PlattCurve
from twinlens.calibration.calibration_options import CalibrationOptions
from twinlens.calibration.fit import fit_calibration
from twinlens.calibration.fit_matched import fit_pairs
from twinlens.datasets.pairs import Pairs
from twinlens.errors import CalibrationError
from twinlens.metrics.reliability import ece

F32 = NDArray[np.float32]

WIDTH = 64
NOISE = 1.2
"""Spread of an image around its text, whose components have spread 1: cosines are about 0.64."""


@dataclass(frozen=True)
class Space:
    """A model of images b"7" and texts "7"; each number has one direction and one noise."""

    seed: int = 0
    towers_key: str = "key"
    pixels: str = "exact"

    def embed_texts(self, texts: Sequence[str], **_: object) -> F32:
        return unit(np.stack([self.direction(int(text)) for text in texts]))

    def embed_images(self, images: Sequence[bytes], *, on_error: str, **_: object) -> F32:
        assert on_error == "nan"
        return unit(np.stack([self.image(image) for image in images]))

    def direction(self, number: int) -> F32:
        return np.random.default_rng((self.seed, number)).normal(size=WIDTH).astype(np.float32)

    def image(self, image: bytes) -> F32:
        if image == b"broken":
            return np.full(WIDTH, np.nan, dtype=np.float32)
        noise = np.random.default_rng((self.seed, 1, int(image))).normal(size=WIDTH)
        return (self.direction(int(image)) + NOISE * noise).astype(np.float32)


def unit(rows: F32) -> F32:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def matched(numbers: Sequence[int]) -> Pairs:
    return Pairs(images=[b"%d" % n for n in numbers], texts=[str(n) for n in numbers])


def labelled(n: int, *, wrong_each: int = 1) -> Pairs:
    """Every image with its own text, and with those of the next ones."""
    steps = range(wrong_each + 1)
    return Pairs(
        images=[b"%d" % i for _ in steps for i in range(n)],
        texts=[str((i + step) % n) for step in steps for i in range(n)],
        labels=[step == 0 for step in steps for _ in range(n)],
    )


Fit = Callable[..., Calibration]


@pytest.fixture(scope="module")
def fit() -> Fit:
    def call(pairs: Pairs, **options: object) -> Calibration:
        return fit_calibration(Space(), pairs, options=CalibrationOptions(**options))  # type: ignore[arg-type]

    return call


def test_matched_pairs_are_fitted_by_pair_fit(fit: Fit) -> None:
    found = fit(matched(range(200)), fitted_on="numbers")
    space = Space()
    pairs = matched(range(200))
    cosines = space.embed_images(pairs.images, on_error="nan") @ space.embed_texts(pairs.texts).T
    assert isinstance(found.curve, PlattCurve)
    assert found.curve.scale == pytest.approx(fit_pairs(cosines).scale, rel=1e-6)
    assert (found.level, found.negatives, found.prior) == ("fitted-pairs", "random", 0.5)
    assert (found.matching, found.others) == (200, 200 * 199)
    assert (found.towers, found.fitted_on) == ("key", "numbers")


@pytest.mark.parametrize("extra", [[3, 3, 150], [0] * 50])
def test_repeated_pairs_change_nothing(fit: Fit, extra: list[int]) -> None:
    numbers = list(range(200))
    assert fit(matched(numbers + extra)) == fit(matched(numbers))


def test_of_an_image_with_several_texts_one_pair_counts(fit: Fit) -> None:
    pairs = matched(range(100))
    again = Pairs(
        images=[*pairs.images, *pairs.images], texts=[*pairs.texts, *map(str, range(500, 600))]
    )
    assert fit(again) == fit(pairs)


def test_images_that_cannot_be_read_are_left_out(fit: Fit) -> None:
    pairs = matched(range(100))
    broken = Pairs(images=[b"broken", *pairs.images], texts=["700", *pairs.texts])
    assert fit(broken) == fit(pairs)


def test_held_out_figures_are_those_of_new_pairs(fit: Fit) -> None:
    found = fit(matched(range(400)))
    held = found.held_out
    assert held is not None
    assert (held.pairs, held.base_rate) == (800, 0.5)
    space, new = Space(), matched(range(1000, 3000))
    images, texts = space.embed_images(new.images, on_error="nan"), space.embed_texts(new.texts)
    cosines = np.concatenate([(images * texts).sum(1), (images * np.roll(texts, 1, 0)).sum(1)])
    truths = np.repeat([True, False], 2000)
    assert ece(found.probability(cosines), truths) < 0.03
    assert held.ece < 0.04
    brier = float(((found.probability(cosines) - truths) ** 2).mean())
    assert held.brier == pytest.approx(brier, abs=0.02)


@pytest.mark.parametrize("prior", [0.05, 0.8])
def test_held_out_figures_are_those_of_the_prior(fit: Fit, prior: float) -> None:
    found = fit(matched(range(200)), prior=prior)
    assert found.prior == prior
    assert found.held_out is not None
    assert found.held_out.base_rate == pytest.approx(prior, abs=0.01)
    assert found.held_out.ece < 0.03


def test_hard_negatives_are_fewer_and_the_figures_say_so(fit: Fit) -> None:
    found = fit(matched(range(200)), negatives="hard")
    assert (found.negatives, found.others) == ("hard", 1000)
    assert found.held_out is not None


def test_thresholds_trade_precision_for_recall(fit: Fit) -> None:
    table = fit(matched(range(300))).thresholds
    assert [row.probability for row in table] == sorted(row.probability for row in table)
    assert (np.diff([row.recall for row in table]) <= 0).all()
    assert table[0].recall > 0.95
    assert table[-1].precision > 0.95


@pytest.mark.parametrize(
    ("method", "kind"), [("platt", PlattCurve), ("beta", BetaCurve), ("isotonic", IsotonicCurve)]
)
def test_labelled_pairs_are_fitted_by_any_method(fit: Fit, method: str, kind: type) -> None:
    found = fit(labelled(700, wrong_each=2), method=method)
    assert isinstance(found.curve, kind)
    assert (found.level, found.negatives) == ("fitted-labels", "labelled")
    assert (found.matching, found.others) == (700, 1400)
    assert found.prior == pytest.approx(1 / 3)
    assert found.held_out is not None
    assert found.held_out.pairs == 2100
    assert found.held_out.ece < 0.03


def test_labelled_pairs_are_thinned_to_the_prior_for_their_figures(fit: Fit) -> None:
    found = fit(labelled(300), prior=0.1)
    assert found.prior == 0.1
    assert found.held_out is not None
    assert (found.held_out.pairs, found.held_out.base_rate) == (333, pytest.approx(0.1, abs=0.002))
    assert found.held_out.ece < 0.05


def test_a_prior_that_leaves_too_few_pairs_has_no_figures(fit: Fit) -> None:
    assert fit(labelled(300), prior=0.001).held_out is None


def test_labels_that_contradict_are_both_kept(fit: Fit) -> None:
    pairs = labelled(50)
    twice = Pairs(
        images=[*pairs.images, *pairs.images, b"0"],
        texts=[*pairs.texts, *pairs.texts, "0"],
        labels=[*(pairs.labels or []), *(pairs.labels or []), False],
    )
    found = fit(twice)
    assert (found.matching, found.others) == (50, 51)


def test_too_few_pairs_to_hold_some_out_have_no_figures(fit: Fit) -> None:
    found = fit(matched(range(11)))
    assert (found.held_out, found.thresholds) == (None, ())


def test_too_few_pairs_are_refused(fit: Fit) -> None:
    with pytest.raises(ValueError, match="needs 10 or more pairs, got 9; give more"):
        fit(matched(range(9)))


def test_pairs_that_repeat_are_told_apart_from_few_ones(fit: Fit) -> None:
    pairs = matched(range(50))
    one_text = Pairs(images=pairs.images, texts=["7"] * 50)
    with pytest.raises(ValueError, match="got 1 of the 50 given: an image or a text that repeats"):
        fit(one_text)
    labelled = Pairs(
        images=[pairs.images[0]] * 50, texts=[pairs.texts[0]] * 50, labels=[True, False] * 25
    )
    with pytest.raises(ValueError, match="got 1 and 1 of the 50 given, each counted once"):
        fit(labelled)


def test_labels_of_one_kind_are_refused(fit: Fit) -> None:
    pairs = matched(range(50))
    with pytest.raises(
        ValueError,
        match="more matching pairs and as many others, got 50 and 0; give more",
    ):
        fit(Pairs(images=pairs.images, texts=pairs.texts, labels=[True] * 50))


@pytest.mark.parametrize("method", ["beta", "isotonic"])
def test_methods_that_need_labels_say_so(fit: Fit, method: str) -> None:
    with pytest.raises(CalibrationError, match=f"method '{method}' needs labels"):
        fit(matched(range(50)), method=method)


def test_options_that_mean_nothing_are_refused() -> None:
    with pytest.raises(ValueError, match="method is 'sigmoid', not one of platt"):
        CalibrationOptions(method="sigmoid")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="negatives is 'easy', not 'random' or 'hard'"):
        CalibrationOptions(negatives="easy")  # type: ignore[arg-type]


def test_pairs_without_a_readable_image_are_refused(fit: Fit) -> None:
    with pytest.raises(ValueError, match="no image of 20 can be read"):
        fit(Pairs(images=[b"broken"] * 20, texts=["1"] * 20))
