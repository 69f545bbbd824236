"""Model: what goes in comes out in order, alone or in company, and nothing is silently wrong."""

import io
import logging
import pickle
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.datasets import load_sample_images

import twinlens
from twinlens import Model
from twinlens.demo.samples import bundled_drawings
from twinlens.errors import BundleError, CalibrationError, ImageError, ProviderError, TextError

TEXTS = ["a dog", "", "two words " * 40, "🍕", "a red apple on a table", "dog"]


@pytest.fixture(scope="module")
def pictures() -> list[Path]:
    return [drawing.path for drawing in bundled_drawings()[:21]]


def test_the_demo_opens_in_its_best_precision_for_a_cpu(model: Model) -> None:
    assert (model.device, model.precision, model.width) == ("cpu", "int8", 192)
    assert "int8 on cpu" in repr(model)


def test_embeddings_are_unit_rows_of_float32(model: Model, pictures: list[Path]) -> None:
    for rows in (model.embed_images(pictures), model.embed_texts(TEXTS)):
        assert rows.dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-6)


@pytest.mark.parametrize("size", [1, 3, 17])
def test_an_image_embeds_the_same_in_any_batch(
    model: Model, pictures: list[Path], size: int
) -> None:
    whole = model.embed_images(pictures)
    parts = [model.embed_images(pictures[i : i + size]) for i in range(0, len(pictures), size)]
    np.testing.assert_array_equal(whole, np.concatenate(parts))


@pytest.mark.parametrize("size", [1, 2, 5])
def test_a_text_embeds_the_same_in_any_batch(model: Model, size: int) -> None:
    texts = TEXTS * 15
    whole = model.embed_texts(texts)
    parts = [model.embed_texts(texts[i : i + size]) for i in range(0, len(texts), size)]
    np.testing.assert_array_equal(whole, np.concatenate(parts))


def test_every_kind_of_image_may_be_mixed(model: Model) -> None:
    photo = load_sample_images().images[0]
    packed = io.BytesIO()
    Image.fromarray(photo).save(packed, "PNG")
    rows = model.embed_images([photo, Image.fromarray(photo), packed.getvalue()])
    np.testing.assert_array_equal(rows[0], rows[1])
    np.testing.assert_array_equal(rows[0], rows[2])


def test_the_probabilities_of_an_unreadable_image_are_nan_if_asked(model: Model) -> None:
    torn = {"image": [b"x", np.zeros((4, 4, 3), np.uint8)], "text": ["a", "b"]}
    lost, right = np.asarray(model.predict_proba(torn, on_error="nan"))
    assert np.isnan(lost).all()
    assert right.sum() == pytest.approx(1)
    with pytest.raises(ImageError, match="image 0: "):
        model.predict_proba(torn)


def test_nothing_embeds_to_nothing(model: Model) -> None:
    assert model.embed_images([]).shape == (0, model.width)
    assert model.embed_texts([]).shape == (0, model.width)
    assert model.match([], []).shape == (0,)
    assert model.predict_proba({"image": [], "text": []}).shape == (0, 2)
    assert model.classify([], ["dog"]).probabilities.shape == (0, 1)


def test_a_generator_is_taken_like_a_list(model: Model, pictures: list[Path]) -> None:
    np.testing.assert_array_equal(
        model.embed_images(path for path in pictures), model.embed_images(pictures)
    )


def test_a_generator_of_images_is_read_as_it_goes(model: Model, pictures: list[Path]) -> None:
    read: list[int] = []

    def many() -> Iterator[Path | bytes]:
        for number in range(1000):
            read.append(number)
            yield b"broken" if number == 5 else pictures[0]

    with pytest.raises(ImageError, match="image 5"):
        model.embed_images(many())
    assert len(read) < 100


def test_an_error_of_the_generator_itself_comes_through(model: Model) -> None:
    def broken() -> Iterator[bytes]:
        raise OSError("the disk is gone")
        yield b""

    with pytest.raises(OSError, match="the disk is gone"):
        model.embed_images(broken())


def test_after_a_bad_image_no_thread_works_on(model: Model, pictures: list[Path]) -> None:
    before = threading.active_count()
    with pytest.raises(ImageError, match="image 0"):
        model.embed_images([b"broken", *pictures * 10])
    assert threading.active_count() == before


def test_several_threads_may_ask_at_once(model: Model, pictures: list[Path]) -> None:
    wanted = model.embed_images(pictures), model.embed_texts(TEXTS)
    with ThreadPoolExecutor(4) as pool:
        images = [pool.submit(model.embed_images, pictures) for _ in range(4)]
        texts = [pool.submit(model.embed_texts, TEXTS) for _ in range(4)]
    for answer in images:
        np.testing.assert_array_equal(answer.result(), wanted[0])
    for answer in texts:
        np.testing.assert_array_equal(answer.result(), wanted[1])


def test_a_repeated_text_embeds_like_itself(model: Model) -> None:
    rows = model.embed_texts(["a dog", "a cat", "a dog"])
    np.testing.assert_array_equal(rows[0], rows[2])
    np.testing.assert_array_equal(rows, model.embed_texts(["a dog", "a cat", "a dog"] * 50)[:3])


def test_a_bad_image_is_named_by_its_index_and_reason(model: Model, pictures: list[Path]) -> None:
    with pytest.raises(ImageError, match=r"image 18: .*nowhere\.png.*No such file"):
        model.embed_images([*pictures[:18], Path("nowhere.png"), *pictures[18:]])


def test_a_bad_image_becomes_nan_if_asked_and_spares_the_others(
    model: Model, pictures: list[Path], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        rows = model.embed_images([pictures[0], b"not a picture", pictures[1]], on_error="nan")
    assert np.isnan(rows[1]).all()
    np.testing.assert_array_equal(rows[[0, 2]], model.embed_images(pictures[:2]))
    assert "image 1: 13 bytes is no image" in caplog.text


def test_a_bad_text_is_named_by_its_index(model: Model) -> None:
    with pytest.raises(TextError, match="text 1 is a int"):
        model.embed_texts(["a dog", 7])  # type: ignore[list-item]


@pytest.mark.parametrize(
    "call",
    [
        lambda model: model.embed_texts("a dog"),
        lambda model: model.embed_images("dog.png"),
        lambda model: model.embed_images(Path("dog.png")),
        lambda model: model.embed_images(Image.new("RGB", (8, 8))),
        lambda model: model.embed_images(np.zeros((8, 9, 3), dtype=np.uint8)),
        lambda model: model.embed_images(np.zeros((8, 9), dtype=np.uint8)),
        lambda model: model.match(["dog.png"], "a dog"),
        lambda model: model.classify(["dog.png"], "dog"),
    ],
)
def test_a_single_one_is_not_taken_for_a_list(
    model: Model, call: Callable[[Model], object]
) -> None:
    with pytest.raises(TypeError, match="give a list"):
        call(model)


@pytest.mark.parametrize("number", [0, 2, 4])
def test_match_and_classify_spare_the_others_if_asked(
    model: Model, pictures: list[Path], number: int
) -> None:
    images: list[Path | bytes] = list(pictures[:5])
    texts, labels = ["a dog", "a cat", "a pizza", "a dog", "a dog"], ["dog", "pizza"]
    matching, classes = model.match(images, texts), model.classify(images, labels)
    images[number] = b"no image"
    with pytest.raises(ImageError, match=f"image {number}: "):
        model.match(images, texts)
    with pytest.raises(ImageError, match=f"image {number}: "):
        model.classify(images, labels)
    spared = model.classify(images, labels, on_error="nan")
    others = [place for place in range(5) if place != number]
    found = model.match(images, texts, on_error="nan")
    np.testing.assert_array_equal(np.flatnonzero(np.isnan(found)), [number])
    np.testing.assert_array_equal(found[others], matching[others])
    np.testing.assert_array_equal(spared.probabilities[others], classes.probabilities[others])
    assert np.isnan(spared.probabilities[number]).all()
    assert spared.best == [None if n == number else classes.best[n] for n in range(5)]


def test_match_and_classify_know_two_answers_to_a_bad_image(model: Model) -> None:
    with pytest.raises(ValueError, match="on_error is 'skip', not 'raise' or 'nan'"):
        model.match([], [], on_error="skip")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="on_error is 'skip', not 'raise' or 'nan'"):
        model.classify([], ["dog"], on_error="skip")  # type: ignore[arg-type]


def test_match_wants_as_many_texts_as_images(model: Model, pictures: list[Path]) -> None:
    with pytest.raises(ValueError, match="2 images and 1 text are not pairs"):
        model.match(pictures[:2], ["a dog"])


def test_match_names_a_bad_pair_by_its_own_index(model: Model, pictures: list[Path]) -> None:
    repeated = [pictures[0]] * 4
    with pytest.raises(ImageError, match="image 4: nowhere"):
        model.match([*repeated, "nowhere.png"], ["a dog"] * 5)
    with pytest.raises(TextError, match="text 4 is a int"):
        model.match([*repeated, pictures[1]], ["a dog"] * 4 + [7])  # type: ignore[list-item]


def test_match_is_the_same_with_repetitions(model: Model, pictures: list[Path]) -> None:
    images, texts = [pictures[i] for i in (0, 1, 0, 2, 1)], ["a", "b", "b", "a", "b"]
    alone = [model.match([i], [t])[0] for i, t in zip(images, texts, strict=True)]
    np.testing.assert_array_equal(model.match(iter(images), iter(texts)), alone)


def test_match_tells_right_pairs_from_wrong_ones(model: Model) -> None:
    drawings = bundled_drawings()
    paths, captions = [d.path for d in drawings], [d.caption for d in drawings]
    right = model.match(paths, captions)
    wrong = model.match(paths, captions[7:] + captions[:7])
    assert (right >= 0.5).mean() > 0.85
    assert (wrong >= 0.5).mean() < 0.15


def test_the_prior_moves_the_probability(model: Model, pictures: list[Path]) -> None:
    likely, unlikely = (model.match(pictures[:1], ["a face"], prior=p) for p in (0.9, 0.01))
    assert likely > unlikely


def test_a_matrix_of_probabilities_is_that_of_its_cosines(model: Model) -> None:
    rows = model.embed_texts(TEXTS)
    found = model.probabilities(rows[:2], rows, prior=0.1)
    wanted = model.calibration.probability(rows[:2] @ rows.T, prior=0.1)
    np.testing.assert_allclose(found, wanted, rtol=1e-4)
    np.testing.assert_array_equal(
        model.probabilities_on_device(rows[:2], rows, prior=0.1).numpy(), found
    )


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (
            lambda rows: 10 * rows,
            "row 0 of images has length 10, wanted unit rows.*divide each row",
        ),
        (lambda rows: rows * np.float32(1.01), r"row 0 of images has length 1\.01, wanted unit"),
        (lambda rows: 0 * rows, "row 0 of images has length 0, wanted unit rows"),
        (lambda rows: np.where(rows == rows[0, 0], np.inf, rows), "row 0 of images has length inf"),
        (lambda rows: np.concatenate([rows, 2 * rows]), "row 3 of images has length 2, wanted"),
        (lambda rows: rows[0], r"images have shape \[192\], wanted \[B, 192\]; give one row as"),
        (lambda rows: rows[:, :5], r"images have shape \[3, 5\], wanted \[B, 192\]"),
        (lambda rows: rows[None], r"images have shape \[1, 3, 192\], wanted \[B, 192\]"),
        (lambda rows: rows.astype(np.int64), "images are int64, wanted the floats"),
        (lambda rows: rows.astype(str), "images are <U32, wanted the floats"),
        (lambda _: [[1.0], [1.0, 2.0]], "images are no array of rows: .*; give float32"),
        (lambda _: None, "images are object, wanted the floats"),
    ],
)
def test_rows_that_are_no_embeddings_are_refused_with_the_cure(
    model: Model, spoil: Callable[[np.ndarray], Any], message: str
) -> None:
    rows = model.embed_texts(TEXTS[:3])
    for act in (model.probabilities, model.probabilities_on_device):
        with pytest.raises(ValueError, match=message):
            act(spoil(rows), rows)
        with pytest.raises(ValueError, match=message.replace("images", "texts")):
            act(rows, spoil(rows))


def test_rows_of_nan_and_of_other_floats_are_taken(model: Model) -> None:
    rows = model.embed_texts(TEXTS[:3])
    wanted = model.probabilities(rows, rows)
    np.testing.assert_array_equal(model.probabilities(rows.astype(np.float64), rows), wanted)
    halves = rows.astype(np.float16)
    np.testing.assert_allclose(model.probabilities(halves, rows), wanted, atol=0.01)
    np.testing.assert_array_equal(model.probabilities(rows.tolist(), rows), wanted)  # type: ignore[arg-type]
    spoilt = rows.copy()
    spoilt[1] = np.nan
    found = model.probabilities(spoilt, rows)
    assert np.isnan(found[1]).all()
    np.testing.assert_array_equal(found[[0, 2]], wanted[[0, 2]])
    on_device = model.embed_texts_on_device(TEXTS[:3])
    kept = model.probabilities_on_device(on_device, rows).numpy()
    np.testing.assert_allclose(kept, wanted, rtol=1e-5)


def test_every_answer_takes_a_prior(model: Model, pictures: list[Path]) -> None:
    table = {"image": pictures[:4], "text": ["a face", "a dog", "a car", "a flag"]}
    for prior in (None, 0.01, 0.99):
        matching = np.asarray(model.match(table["image"], table["text"], prior=prior))
        both = np.asarray(model.predict_proba(table, prior=prior))
        np.testing.assert_array_equal(both[:, 1], matching)
        for threshold in (0.1, 0.5):
            said = np.asarray(model.predict(table, prior=prior, threshold=threshold))
            np.testing.assert_array_equal(said, matching >= threshold)
    assert np.any(model.predict(table, prior=0.99) != model.predict(table, prior=0.0001))
    rows = model.embed_texts(TEXTS[:2])
    for prior in (0, 1, -1, 2, float("nan")):
        for act in (
            lambda prior=prior: model.match(["no such file"], ["a"], prior=prior),
            lambda prior=prior: model.predict(table, prior=prior),
            lambda prior=prior: model.predict_proba(table, prior=prior),
            lambda prior=prior: model.probabilities(rows, rows, prior=prior),
            lambda prior=prior: model.probabilities_on_device(rows, rows, prior=prior),
        ):
            with pytest.raises(ValueError, match=r"prior is .*, not between 0 and 1"):
                act()


def test_hits_have_the_probabilities_of_their_cosines(model: Model) -> None:
    rows = model.embed_texts(TEXTS)
    hits = twinlens.Index.build(rows).search(rows, k=3)
    found = hits.probabilities(model.calibration, prior=0.01)
    np.testing.assert_array_equal(found, model.calibration.probability(hits.cosines, prior=0.01))
    assert (np.diff(found, axis=1) <= 0).all()


def test_the_level_of_the_probabilities_has_a_name(model: Model, uncalibrated: Path) -> None:
    assert model.level == "fitted-pairs"
    assert twinlens.load(uncalibrated, device="cpu").level == "none"


def test_an_array_or_a_series_is_taken_like_a_list(model: Model, pictures: list[Path]) -> None:
    wanted = model.embed_images(pictures[:3])
    for images in (np.array(pictures[:3], dtype=object), pd.Series(pictures[:3], index=[9, 9, 1])):
        np.testing.assert_array_equal(model.embed_images(images), wanted)


@pytest.mark.parametrize("missing", [None, float("nan")])
def test_a_missing_cell_is_named_by_its_row(
    model: Model, pictures: list[Path], missing: object
) -> None:
    images = pd.DataFrame({"image": [pictures[0], missing], "text": ["a", "b"]}, index=[7, 7])
    with pytest.raises(ImageError, match=r"image 1: a (NoneType|float) .* leave out what"):
        model.predict(images)
    texts = pd.DataFrame({"image": pictures[:2], "text": ["a", missing]})
    with pytest.raises(TextError, match=r"text 1 is a (NoneType|float), .* leave out what"):
        model.predict(texts)


def test_two_columns_of_one_name_are_refused(model: Model, pictures: list[Path]) -> None:
    frame = pd.DataFrame({"image": pictures[:2], "a": ["a", "b"], "b": ["c", "d"]})
    with pytest.raises(ValueError, match="there are 2 columns 'text'"):
        model.predict(frame.rename(columns={"a": "text", "b": "text"}))


@pytest.mark.parametrize("threshold", [-0.1, 50, float("nan")])
def test_a_threshold_that_is_no_probability_is_refused(model: Model, threshold: float) -> None:
    with pytest.raises(ValueError, match=r"threshold is .*, not between 0 and 1"):
        model.predict({"image": [], "text": []}, threshold=threshold)


def test_a_missing_column_is_named_beside_those_there(model: Model) -> None:
    with pytest.raises(ValueError, match="no column 'text'; the columns are image, words; name"):
        model.predict({"image": [], "words": []})


def test_classify_names_the_best_label(model: Model) -> None:
    drawings = [drawing for drawing in bundled_drawings() if drawing.kind]
    classes = model.classify(
        [drawing.path for drawing in drawings],
        ["face", "animal", "food", "vehicle", "flag"],
        templates=["{}", "a {}", "{} emoji"],
    )
    np.testing.assert_allclose(classes.probabilities.sum(axis=1), 1, atol=1e-5)
    right = [best == drawing.kind for best, drawing in zip(classes.best, drawings, strict=True)]
    assert np.mean(right) > 0.8


def test_classify_without_labels_is_refused(model: Model) -> None:
    with pytest.raises(ValueError, match="at least one label"):
        model.classify([], [])


@pytest.mark.parametrize(
    ("labels", "template", "message"),
    [
        (["dog", 7], "{}", "label 1 is a int, not a string"),
        (["dog", " "], "{}", "label 1 is empty"),
        (["dog", "cat", "dog"], "{}", "label 'dog' is there twice"),
        (["dog"], "a photo", "'a photo' has 0 places for the label, wanted one"),
        (["dog"], "{} or {}", "has 2 places for the label, wanted one"),
        (["dog"], "{0}", "has 0 places"),
    ],
)
def test_labels_and_templates_that_mean_nothing_are_refused(
    model: Model, labels: list[str], template: str, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        model.classify([], labels, templates=[template])


@pytest.mark.parametrize("template", [7, None, "a {}".format])
def test_a_template_that_is_no_string_is_told_by_its_place(model: Model, template: object) -> None:
    with pytest.raises(TextError, match=r"template 1 is a .*, not a string; "):
        model.embed_labels(["dog"], templates=["{}", template])  # type: ignore[list-item]


def test_a_single_string_is_one_template(model: Model) -> None:
    alone = model.embed_labels(["dog", "cat"], templates="a {} emoji")
    np.testing.assert_array_equal(alone, model.embed_texts(["a dog emoji", "a cat emoji"]))
    drawings = bundled_drawings()[:4]
    table = {"image": [one.path for one in drawings], "text": [one.caption for one in drawings]}
    assert twinlens.evaluate(model, table, templates="a {} emoji").templates == ("a {} emoji",)


def test_other_braces_are_only_text(model: Model, pictures: list[Path]) -> None:
    classes = model.classify(pictures[:1], iter(["{x}", "dog"]), templates=["a {0} {} {"])
    assert classes.labels == ("{x}", "dog")


def test_answers_can_be_pickled(model: Model, pictures: list[Path]) -> None:
    hits = twinlens.Index.build(model.embed_images(pictures)).search(model.embed_texts(["a"]), 3)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(hits)).ids, hits.ids)
    assert pickle.loads(pickle.dumps(model.calibration)) == model.calibration


def test_cuda_without_cuda_is_an_error_with_the_cure() -> None:
    with pytest.raises(ProviderError, match=r"asked for cuda:0.*twinlens\[gpu\]"):
        twinlens.load("demo", device="cuda")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"device": "gpu"}, "device is 'gpu'"),
        ({"precision": "int4"}, "precision is 'int4'"),
        ({"threads": 0}, "threads is 0"),
        ({"threads": 100_000}, r"threads is 100000, not between 1 and \d+: .* may use \d+ CPUs"),
        ({"threads": 1024 * 4 + 1}, "threads is 4097, not between 1 and"),
        ({"threads": 2.0}, "threads is 2.0, not between 1 and"),
        ({"threads": True}, "threads is True, not between 1 and"),
    ],
)
def test_an_argument_that_means_nothing_is_refused(
    arguments: dict[str, object], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        twinlens.load("demo", **{"device": "cpu", **arguments})  # type: ignore[arg-type]


def test_a_precision_that_is_not_there_names_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"has .*, not fp32; export it with --precision fp32"):
        twinlens.load("demo", device="cpu", precision="fp32")


def test_a_folder_without_a_manifest_is_no_bundle(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"not a bundle: no readable twinlens\.json"):
        twinlens.load(tmp_path, device="cpu")


def test_without_a_calibration_a_probability_is_an_error(
    uncalibrated: Path, pictures: list[Path]
) -> None:
    model = twinlens.load(uncalibrated, device="cpu")
    with pytest.raises(
        CalibrationError, match=r"has no calibration for int8.*: twinlens calibrate BUNDLE"
    ):
        model.match(pictures[:1], ["a dog"])


def test_a_calibration_fitted_on_other_towers_is_refused(miscalibrated: Path) -> None:
    with pytest.raises(BundleError, match=r"fitted on other towers; .*: twinlens calibrate"):
        twinlens.load(miscalibrated, device="cpu")
