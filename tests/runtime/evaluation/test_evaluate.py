"""Evaluation of a model of two tiny towers with predictable embeddings."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from twinlens.bundle.bundle import Bundle
from twinlens.bundle.calibration import Calibration
from twinlens.bundle.curves import PlattCurve
from twinlens.datasets.pairs import Pairs
from twinlens.errors import CalibrationError, ImageError, PairsError
from twinlens.evaluation.evaluate import evaluate
from twinlens.evaluation.report import write_report
from twinlens.metrics.reliability import auc, brier, ece
from twinlens.model.model import Model
from twinlens.model.model_options import ModelOptions
from twinlens.ort.device import CPU

TEXTS = ("a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l")


def open_model(bundle: Bundle, calibration: Calibration | None = None) -> Model:
    manifest = dataclasses.replace(
        bundle.manifest, calibrations={"fp32": calibration} if calibration else {}
    )
    opened = dataclasses.replace(bundle, manifest=manifest)
    return Model(opened, ModelOptions(device=CPU, precision="fp32", threads=1))


@pytest.fixture
def calibration(bundle: Bundle) -> Calibration:
    return Calibration(
        curve=PlattCurve(scale=3.0, bias=-0.4),
        prior=0.5,
        level="fitted-labels",
        fitted_on="made up",
        matching=1,
        others=1,
        negatives="labelled",
        towers=bundle.manifest.towers["fp32"].calibrated_for(),
    )


@pytest.fixture
def images() -> list[NDArray[np.uint8]]:
    random = np.random.default_rng(2)
    colours = random.integers(0, 256, (len(TEXTS), 3), dtype=np.uint8)
    return [np.broadcast_to(colour, (4, 4, 3)).copy() for colour in colours]


def pairs_of(images: Sequence[NDArray[np.uint8]], **more: Sequence[object]) -> Pairs:
    return Pairs(images=images, texts=TEXTS, **more)  # type: ignore[arg-type]


def test_retrieval_is_what_the_cosines_say(bundle: Bundle, images: list[NDArray[np.uint8]]) -> None:
    model = open_model(bundle)
    (found,) = evaluate(model, pairs_of(images)).models
    cosines = model.embed_images(images) @ model.embed_texts(TEXTS).T
    for retrieval, scores in ((found.image_to_text, cosines), (found.text_to_image, cosines.T)):
        best = np.argsort(-scores, axis=1, kind="stable")
        places = np.argmax(best == np.arange(len(TEXTS))[:, None], axis=1)
        figures = retrieval.figures
        assert figures["recall_any_at_1"].value == pytest.approx((places < 1).mean())
        assert figures["recall_any_at_5"].value == pytest.approx((places < 5).mean())
        assert figures["average_precision"].value == pytest.approx((1 / (places + 1)).mean())
        assert retrieval.median_rank == np.median(places) + 1


def test_without_a_calibration_there_are_no_probabilities(
    bundle: Bundle, images: list[NDArray[np.uint8]]
) -> None:
    (found,) = evaluate(open_model(bundle), pairs_of(images)).models
    assert (found.level, found.reliability, found.thresholds) == ("none", {}, {})


def test_matching_pairs_are_set_against_random_and_near_wrong_ones(
    bundle: Bundle, calibration: Calibration, images: list[NDArray[np.uint8]]
) -> None:
    (found,) = evaluate(open_model(bundle, calibration), pairs_of(images)).models
    assert found.level == "fitted-labels"
    assert list(found.reliability) == list(found.thresholds) == ["random", "hard"]
    for reliability in found.reliability.values():
        assert (reliability.pairs, reliability.images) == (24, 12)
        assert reliability.base_rate == 0.5
    assert found.reliability["hard"].cosine_auc.value < found.reliability["random"].cosine_auc.value


def test_the_pairs_of_an_unreadable_image_are_left_out_for_every_model_alike(
    bundle: Bundle, calibration: Calibration, images: list[NDArray[np.uint8]]
) -> None:
    models = [open_model(bundle, calibration), open_model(bundle)]
    labels = [n % 3 != 2 for n in range(len(TEXTS))]
    kinds = ["even" if n % 2 == 0 else "odd" for n in range(len(TEXTS))]
    torn: list[object] = [*images]
    torn[3], torn[8] = b"<html>", b""
    kept = [n for n in range(len(TEXTS)) if n not in {3, 8}]
    given = Pairs(images=torn, texts=TEXTS, labels=labels, kinds=kinds)  # type: ignore[arg-type]
    whole = Pairs(images=images, texts=TEXTS, labels=labels, kinds=kinds).take(kept)
    found = evaluate(models, given, on_error="skip")
    assert [lost.index for lost in found.lost] == [3, 8]
    assert dataclasses.replace(found, lost=()) == evaluate(models, whole)
    with pytest.raises(ImageError, match="image 3: "):
        evaluate(models, given)


@pytest.mark.parametrize("models", ["demo", ["demo"], {"image": []}])
def test_what_is_no_model_is_not_evaluated(models: object) -> None:
    with pytest.raises(TypeError, match=r"is no model; open one by twinlens\.load"):
        evaluate(models, Pairs(images=[b"x"], texts=["a"]))  # type: ignore[arg-type]


def test_pairs_of_unreadable_images_alone_cannot_be_evaluated(bundle: Bundle) -> None:
    with pytest.raises(PairsError, match="no image of 1 can be read; the first: image 0: "):
        evaluate(open_model(bundle), Pairs(images=[b"x"], texts=["a"]), on_error="skip")
    with pytest.raises(ValueError, match="on_error is 'nan', not 'raise' or 'skip'"):
        evaluate(open_model(bundle), Pairs(images=[b"x"], texts=["a"]), on_error="nan")  # type: ignore[arg-type]


def test_labelled_pairs_are_measured_as_they_are(
    bundle: Bundle, calibration: Calibration, images: list[NDArray[np.uint8]]
) -> None:
    labels = [True, False, False] * 4
    model = open_model(bundle, calibration)
    evaluation = evaluate(model, pairs_of(images, labels=labels))
    assert (evaluation.matching, evaluation.others) == (4, 8)
    (found,) = evaluation.models
    (reliability,) = found.reliability.values()
    probabilities = model.match(images, TEXTS)
    assert reliability.calibrated.ece.value == pytest.approx(ece(probabilities, labels))
    assert reliability.calibrated.brier.value == pytest.approx(brier(probabilities, labels))
    assert reliability.cosine_auc.value == pytest.approx(auc(probabilities, labels))
    assert found.image_to_text.queries == 4, "only images that match something can be asked for it"
    assert found.image_to_text.candidates == 12


def test_one_image_with_several_texts_is_one_query(
    bundle: Bundle, images: list[NDArray[np.uint8]]
) -> None:
    pairs = pairs_of([images[place // 3] for place in range(12)])
    evaluation = evaluate(open_model(bundle), pairs)
    assert (evaluation.images, evaluation.texts, evaluation.matching) == (4, 12, 12)
    (found,) = evaluation.models
    assert (found.image_to_text.queries, found.text_to_image.queries) == (4, 12)
    figures = found.image_to_text.figures
    assert figures["recall_any_at_5"].value >= figures["recall_share_at_5"].value


def test_classes_of_some_images_are_enough(bundle: Bundle, images: list[NDArray[np.uint8]]) -> None:
    kinds = ["cat", "", "dog", "cat", *[""] * 8]
    model = open_model(bundle)
    (found,) = evaluate(model, pairs_of(images, kinds=kinds), templates=["{}", "one {}"]).models
    classed = [images[0], images[2], images[3]]
    best = model.classify(classed, ["cat", "dog"], templates=["{}", "one {}"]).best
    right = np.mean([b == k for b, k in zip(best, ["cat", "dog", "cat"], strict=True)])
    assert found.zero_shot is not None
    assert found.zero_shot.figures["top1"].value == pytest.approx(right)
    assert found.zero_shot.figures["top5"].value == 1
    assert (found.zero_shot.images, found.zero_shot.labels) == (3, ("cat", "dog"))


def test_a_second_model_is_compared_with_the_one_in_fp32(
    bundle: Bundle, images: list[NDArray[np.uint8]]
) -> None:
    first, twin = (open_model(bundle) for _ in range(2))
    found = evaluate([first, twin], pairs_of(images)).models
    assert found[0].image_to_text.change is None
    assert found[1].image_to_text.change is not None
    assert all(change.value == 0 for change in found[1].image_to_text.change.values())


def test_the_same_seed_gives_the_same_evaluation(
    bundle: Bundle, calibration: Calibration, images: list[NDArray[np.uint8]]
) -> None:
    model = open_model(bundle, calibration)
    first, again = (evaluate(model, pairs_of(images), seed=3) for _ in range(2))
    assert first == again


def test_pairs_that_cannot_be_judged_are_refused(
    bundle: Bundle, images: list[NDArray[np.uint8]]
) -> None:
    model = open_model(bundle)
    with pytest.raises(PairsError, match="no pair matches"):
        evaluate(model, pairs_of(images, labels=[False] * 12))
    with pytest.raises(PairsError, match="image 0 is both 'cat' and 'dog'"):
        evaluate(model, Pairs(images=images[:1] * 2, texts=TEXTS[:2], kinds=["cat", "dog"]))
    with pytest.raises(ImageError, match=r"image 1: .*lost\.png"):
        evaluate(model, Pairs(images=[images[0], "lost.png"], texts=TEXTS[:2]))


def test_groups_are_measured_apart_as_well(
    bundle: Bundle, calibration: Calibration, images: list[NDArray[np.uint8]], tmp_path: Path
) -> None:
    labels, groups = [1, 0] * 6, ["known"] * 6 + ["unseen"] * 4 + ["", ""]
    model = open_model(bundle, calibration)
    found = evaluate(model, pairs_of(images, labels=labels, groups=groups))
    parts = found.models[0].groups
    assert list(parts) == ["known", "unseen"]
    for name, pairs in parts.items():
        kept = [place for place, group in enumerate(groups) if group == name]
        alone = evaluate(model, pairs_of(images, labels=labels).take(kept)).models[0]
        assert pairs["labelled"].calibrated.ece.value == pytest.approx(
            alone.reliability["labelled"].calibrated.ece.value
        )
    write_report(found, tmp_path, title="a")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "<td>unseen</td><td>4</td>" in page
    matching = evaluate(model, pairs_of(images, groups=groups)).models[0].groups
    assert set(matching["unseen"]) == {"random", "hard"}
    with pytest.raises(PairsError, match="image 0 is in 'a' and 'b'; give one group"):
        evaluate(model, Pairs(images=images[:1] * 2, texts=TEXTS[:2], groups=["a", "b"]))


def test_a_prior_moves_the_probabilities_of_labelled_pairs(
    bundle: Bundle, calibration: Calibration, images: list[NDArray[np.uint8]]
) -> None:
    pairs = pairs_of(images, labels=[1, 0] * 6)
    (found,) = evaluate(open_model(bundle, calibration), pairs, prior=0.01).models
    model = open_model(bundle, calibration)
    told = model.match(images, TEXTS, prior=0.01)
    labels = np.array(pairs.labels, dtype=bool)
    assert found.reliability["labelled"].calibrated.brier.value == pytest.approx(
        brier(told, labels), abs=1e-6
    )
    with pytest.raises(CalibrationError, match="of level assumed"):
        evaluate(model, pairs, level="assumed")
