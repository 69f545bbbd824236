"""The figures of the verification, and its tolerances."""

from dataclasses import replace

import numpy as np
import pytest

from twinlens.bundle.manifest import Agreement
from twinlens.bundle.specs import Precision
from twinlens_export.checkpoints.checkpoint import Checkpoint
from twinlens_export.errors import AgreementError
from twinlens_export.verification import verify
from twinlens_export.verification.samples import Inputs, Samples
from twinlens_export.verification.verify import Reference


@pytest.fixture
def samples() -> Samples:
    images = np.zeros((22, 4, 4, 3), np.uint8)
    images[:, 0, 0, 0] = np.arange(22)
    return Samples(
        compared=Inputs(images=images, texts=((5, 9), (5, 6, 9), (5, 7, 9))),
        n_images=20,
        n_captions=2,
        full_texts=((5, 6, 7, 9),),
        calibration=Inputs(images=images[:0], texts=()),
    )


def circle(degrees: object) -> "np.ndarray[tuple[int, ...], np.dtype[np.float32]]":
    radians = np.radians(np.asarray(degrees, dtype=np.float64))
    return np.stack([np.cos(radians), np.sin(radians)], axis=1).astype(np.float32)


def agreement(worst_cosine: float = 1.0, top1: float = 1.0) -> Agreement:
    return Agreement(worst_cosine=worst_cosine, mean_cosine=1.0, top1=top1, top10=1.0, samples=9)


def test_figures_of_an_image_tower(samples: Samples) -> None:
    # The third text is no distinct caption, so it is not in the gallery; there 4 and 7 would agree.
    texts = circle([0, 10, 5.6])
    reference = Reference(images=circle(np.arange(22)), texts=texts, full_texts=circle([0]))
    sizes = []

    def turned(batch: object) -> object:
        rows = np.asarray(batch)[:, 0, 0, 0].astype(np.float64)
        sizes.append(len(rows))
        return circle(rows + np.where(rows == 4, 3, 0))  # the fifth goes from 4 to 7 degrees

    found = verify.image_agreement(turned, samples, reference)  # type: ignore[arg-type]
    assert sizes == [1, 3, 17, 1]
    assert found.worst_cosine == pytest.approx(np.cos(np.radians(3)))
    assert found.mean_cosine == pytest.approx((21 + np.cos(np.radians(3))) / 22)
    assert found.top1 == pytest.approx(21 / 22)
    assert found.top10 == 1
    assert found.samples == 22


def test_an_answer_as_good_as_the_best_agrees(samples: Samples) -> None:
    reference = Reference(
        images=circle([0] * 22), texts=circle([1e-4, 0, 0]), full_texts=circle([0])
    )
    found = verify.image_agreement(
        lambda batch: circle([1e-4] * len(batch)),  # type: ignore[arg-type]
        samples,
        reference,
    )
    assert found.top1 == 1


def test_texts_are_seen_trimmed_and_whole(samples: Samples, demo_shaped: Checkpoint) -> None:
    widths = []

    def embed(batch: object) -> object:
        ids = np.asarray(batch)
        widths.append(ids.shape)
        return circle([0] * len(ids))

    reference = Reference(images=circle([0] * 22), texts=circle([0, 0, 0]), full_texts=circle([90]))
    found = verify.text_agreement(embed, samples, reference, demo_shaped)  # type: ignore[arg-type]
    assert widths == [(1, 2), (3, 4), (1, 32), (3, 32)]
    assert found.worst_cosine == pytest.approx(0, abs=1e-6)
    assert found.samples == 3


@pytest.mark.parametrize("bad", [0, 39, 20])
def test_a_few_images_are_a_batch_of_each_size(samples: Samples, bad: int) -> None:
    images = np.zeros((40, 4, 4, 3), np.uint8)
    images[:, 0, 0, 0] = np.arange(40)
    many = replace(samples, compared=replace(samples.compared, images=images))
    reference = Reference(images=circle(np.arange(40)), texts=circle([0]), full_texts=circle([0]))
    batches: list[list[int]] = []

    def embed(batch: object) -> object:
        batches.append(np.asarray(batch)[:, 0, 0, 0].tolist())
        return circle([90 + one if one == bad else one for one in batches[-1]])

    worst = verify.worst_of_few_images(embed, many, reference)  # type: ignore[arg-type]
    assert worst == pytest.approx(0, abs=1e-6)
    assert [len(batch) for batch in batches] == list(verify.BATCH_SIZES)
    places = [place for batch in batches for place in batch]
    assert places == sorted(places)
    assert (places[0], places[-1]) == (0, 39)


def test_few_texts_are_seen_trimmed_and_whole(samples: Samples, demo_shaped: Checkpoint) -> None:
    widths = []

    def embed(batch: object) -> object:
        ids = np.asarray(batch)
        widths.append(ids.shape)
        return circle([np.nan if ids.shape == (3, 32) else 0] * len(ids))

    reference = Reference(images=circle([0]), texts=circle([0, 0, 0]), full_texts=circle([0]))
    found = verify.worst_of_few_texts(embed, samples, reference, demo_shaped)  # type: ignore[arg-type]
    assert widths == [(1, 2), (3, 4), (1, 32), (3, 32)]
    assert np.isnan(found)


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
def test_a_cosine_below_the_tolerance_is_refused(precision: Precision) -> None:
    least = verify.TOLERANCES[precision].worst_cosine
    verify.require(agreement(worst_cosine=least), precision, "image")
    with pytest.raises(
        AgreementError, match=rf"image tower in {precision} .* worst cosine .*{least}; leave"
    ):
        verify.require(agreement(worst_cosine=least - 1e-5), precision, "image")


def test_rankings_of_int8_must_agree() -> None:
    with pytest.raises(AgreementError, match=r"text tower in int8 .* top-1 .* 0\.97.*0\.98; leave"):
        verify.require(agreement(top1=0.97), "int8", "text")


def test_a_refusal_tells_what_was_kept_in_float32() -> None:
    with pytest.raises(AgreementError, match=r"0\.98 \(with layers\.1\.mlp, patches in float32\)"):
        verify.require(agreement(top1=0.5), "int8", "text", kept=["layers.1.mlp", "patches"])


def test_nan_is_refused() -> None:
    with pytest.raises(AgreementError, match="is nan"):
        verify.require(agreement(worst_cosine=float("nan")), "fp32", "image")
