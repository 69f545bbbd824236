"""Curves of pairs of two images, or of two texts, beside that of an image and its text."""

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageEnhance

import twinlens
from twinlens import CalibrationError, ImagePairs, Model, TextError, TextPairs
from twinlens.__main__ import main
from twinlens.bundle.bundle import open_bundle
from twinlens.demo.samples import bundled_drawings

DRAWINGS = bundled_drawings()[:30]
PATHS = [drawing.path for drawing in DRAWINGS]
NAMES = [drawing.caption for drawing in DRAWINGS]


@pytest.fixture(scope="module")
def copies(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Near duplicates: darker, smaller, and compressed."""
    folder = tmp_path_factory.mktemp("copies")
    found = []
    for number, path in enumerate(PATHS):
        picture = Image.open(path).convert("RGB").resize((56, 56))
        found.append(folder / f"{number}.jpg")
        ImageEnhance.Brightness(picture).enhance(0.9).save(found[-1], quality=70)
    return found


@pytest.fixture(scope="module")
def bundle(copies: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo with all three curves."""
    folder = tmp_path_factory.mktemp("bundles") / "bundle"
    twinlens.calibrate("demo", ImagePairs(images=PATHS, others=copies), out=folder)
    others = [f"a drawing of a {name}" for name in NAMES]
    twinlens.calibrate(folder, TextPairs(texts=NAMES, others=others))
    return folder


@pytest.fixture(scope="module")
def curves(bundle: Path) -> Model:
    return twinlens.load(bundle, device="cpu", threads=2)


def test_near_duplicates_are_told_from_other_pictures(curves: Model, copies: list[Path]) -> None:
    same = curves.match_images(PATHS, copies)
    other = curves.match_images(PATHS, copies[1:] + copies[:1])
    assert np.median(same) > 0.95
    assert np.median(other) < 0.05
    found = curves.predict({"query": PATHS[:2], "response": [copies[0], copies[5]]})
    assert found.tolist() == [1, 0]
    rows = curves.embed_images(PATHS), curves.embed_images(copies)
    matrix = curves.probabilities(*rows, pairs="image-image")
    np.testing.assert_allclose(matrix.diagonal(), same, atol=1e-5)


def test_texts_of_one_meaning_are_told_from_others(curves: Model) -> None:
    found = curves.match_texts(NAMES[:2], [f"a drawing of a {NAMES[0]}", NAMES[7]])
    assert found[0] > 0.9
    assert found[1] < 0.1


def test_each_curve_is_one_of_its_pairs_and_leaves_the_others(bundle: Path, curves: Model) -> None:
    own = twinlens.load("demo", device="cpu").calibration
    assert curves.calibration == own
    kinds = ("image-text", "image-image", "text-text")
    found = [curves.calibration_for(pairs=kind) for kind in kinds]  # type: ignore[arg-type]
    assert [one.pairs for one in found] == list(kinds)
    assert len({one.curve for one in found}) == 3
    before = open_bundle(bundle).manifest.further_calibrations
    others = [f"a picture of a {name}" for name in NAMES]
    twinlens.calibrate(bundle, TextPairs(texts=NAMES, others=others))
    after = open_bundle(bundle).manifest.further_calibrations
    assert len(after) == len(before)
    assert [one for one in after if one.pairs == "image-image"] == [
        one for one in before if one.pairs == "image-image"
    ]


def test_the_curve_of_image_text_pairs_refuses_others(model: Model) -> None:
    refusal = r"no curve for image-image pairs.*twinlens calibrate BUNDLE pairs\.csv --images2"
    rows = model.embed_images(PATHS[:2])
    for act in (
        lambda: model.match_images(PATHS[:1], PATHS[:1]),
        lambda: model.predict_proba({"query": PATHS[:1], "response": PATHS[:1]}),
        lambda: model.probabilities(rows, rows, pairs="image-image"),
    ):
        with pytest.raises(CalibrationError, match=refusal):
            act()
    with pytest.raises(CalibrationError, match=r"text-text pairs.*--texts2 COLUMN"):
        model.match_texts(["a"], ["b"])
    with pytest.raises(TextError, match=r"text 0 is a .*Path, not a string.*match_images"):
        model.match(PATHS[:1], PATHS[:1])  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="pairs is 'images', not one of image-text"):
        model.probabilities(rows, rows, pairs="images")  # type: ignore[arg-type]


def test_the_command_line_calibrates_and_matches_two_columns(
    copies: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table, out = tmp_path / "pairs.csv", tmp_path / "bundle"
    with table.open("w", encoding="utf-8", newline="") as file:
        rows = zip(PATHS, copies, NAMES, strict=True)
        csv.writer(file).writerows([["image", "copy", "text"], *rows])
    options = [str(table), "--images2", "copy"]
    assert main(["calibrate", "demo", *options, "--out", str(out)]) == 0
    assert "30 matching image-image pairs and 870 others" in capsys.readouterr().out
    assert main(["match", str(out), *options]) == 0
    told = capsys.readouterr().out.splitlines()
    assert len(told) == 30
    assert sum(float(line.split()[0]) > 0.5 for line in told) > 27
    assert main(["info", str(out)]) == 0
    assert "fitted-pairs calibration int8, image-image pairs" in capsys.readouterr().out
    assert main(["match", "demo", *options]) == 1
    assert "no curve for image-image pairs" in capsys.readouterr().err
