"""Calibration of a bundle: every precision, into the manifest, all or nothing."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

import twinlens
from twinlens.__main__ import main
from twinlens.bundle.bundle import MANIFEST, open_bundle
from twinlens.calibration.calibrate import calibrate
from twinlens.calibration.calibration_options import CalibrationOptions
from twinlens.datasets.pairs import Pairs
from twinlens.demo.samples import bundled_drawings
from twinlens.errors import CalibrationError
from twinlens.loading import folder_of


@pytest.fixture(scope="module")
def pairs() -> Pairs:
    drawings = bundled_drawings()
    return Pairs(images=[d.path for d in drawings], texts=[d.caption for d in drawings])


def test_every_precision_gets_its_own_calibration(uncalibrated: Path, pairs: Pairs) -> None:
    fitted = calibrate(
        uncalibrated, pairs, options=CalibrationOptions(prior=0.2, fitted_on="drawings")
    )
    manifest = open_bundle(uncalibrated).manifest
    assert fitted.keys() == manifest.towers.keys()
    assert manifest.calibrations == fitted
    for precision, found in fitted.items():
        assert found.towers == manifest.towers[precision].calibrated_for()
        assert (found.prior, found.fitted_on) == (0.2, "drawings")
    model = twinlens.load(uncalibrated, device="cpu")
    assert model.calibration == fitted["int8"]
    right = model.match(pairs.images[:9], pairs.texts[:9])
    wrong = model.match(pairs.images[:9], pairs.texts[9:18])
    assert np.median(right) > np.median(wrong)


def test_a_calibration_for_other_towers_is_replaced(miscalibrated: Path, pairs: Pairs) -> None:
    calibrate(miscalibrated, pairs)
    assert twinlens.load(miscalibrated, device="cpu").level == "fitted-pairs"


def test_nothing_but_the_calibrations_changes(uncalibrated: Path, pairs: Pairs) -> None:
    before = open_bundle(uncalibrated).manifest
    calibrate(uncalibrated, pairs)
    after = open_bundle(uncalibrated).manifest
    assert after.calibrations
    assert dataclasses.replace(after, calibrations={}) == before


def test_a_copy_leaves_the_bundle_as_it_is(tmp_path: Path, pairs: Pairs) -> None:
    demo = folder_of("demo")
    before = (demo / MANIFEST).read_bytes()
    calibrate(
        "demo",
        pairs,
        options=CalibrationOptions(fitted_on="its own drawings"),
        out=tmp_path / "copy",
    )
    assert (demo / MANIFEST).read_bytes() == before
    copy = twinlens.load(tmp_path / "copy", device="cpu")
    assert copy.calibration.fitted_on == "its own drawings"


def test_a_folder_that_is_there_is_not_written_over(tmp_path: Path, pairs: Pairs) -> None:
    (tmp_path / "kept.txt").touch()
    with pytest.raises(FileExistsError):
        calibrate("demo", pairs, out=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["kept.txt"]


@pytest.mark.parametrize("broken", ["write_text", "replace"])
def test_a_failure_while_writing_leaves_the_old_manifest(
    uncalibrated: Path, pairs: Pairs, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    before = (uncalibrated / MANIFEST).read_bytes()

    def fail(*_: object, **__: object) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr(Path, broken, fail)
    with pytest.raises(OSError, match="the disk is full"):
        calibrate(uncalibrated, pairs)
    assert (uncalibrated / MANIFEST).read_bytes() == before


def test_pairs_that_teach_nothing_leave_the_old_manifest(uncalibrated: Path, pairs: Pairs) -> None:
    before = (uncalibrated / MANIFEST).read_bytes()
    few = Pairs(images=pairs.images[:5], texts=pairs.texts[:5])
    with pytest.raises(ValueError, match="needs 10 or more pairs, got 5; give more"):
        calibrate(uncalibrated, few)
    assert (uncalibrated / MANIFEST).read_bytes() == before


def test_the_command_calibrates_from_a_table(
    uncalibrated: Path, pairs: Pairs, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    table = tmp_path / "pairs.csv"
    rows = [f"{image},{text}" for image, text in zip(pairs.images, pairs.texts, strict=True)]
    table.write_text("\n".join(["photo,words", *rows]), encoding="utf-8")
    columns = ["--image-column", "photo", "--text-column", "words"]
    assert main(["calibrate", str(uncalibrated), str(table), *columns, "--prior", "0.3"]) == 0
    printed = capsys.readouterr().out
    assert "60 matching pairs and 3540 others, random" in printed
    assert "fitted-pairs" in printed
    calibration = twinlens.load(uncalibrated, device="cpu").calibration
    assert (calibration.prior, calibration.fitted_on) == (0.3, "pairs.csv")


def test_the_command_says_what_a_method_needs(
    uncalibrated: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    table = tmp_path / "pairs.csv"
    drawing = bundled_drawings()[0]
    table.write_text(f"image,text\n{drawing.path},a face\n", encoding="utf-8")
    assert main(["calibrate", str(uncalibrated), str(table), "--method", "beta"]) == 1
    assert "method 'beta' needs labels" in capsys.readouterr().err


def test_the_demo_inside_the_package_is_not_changed(pairs: Pairs) -> None:
    before = (folder_of("demo") / MANIFEST).read_bytes()
    with pytest.raises(ValueError, match="name a folder for a calibrated copy"):
        calibrate("demo", pairs)
    assert (folder_of("demo") / MANIFEST).read_bytes() == before


def test_a_calibration_is_for_the_pixels_it_was_fitted_on(uncalibrated: Path, pairs: Pairs) -> None:
    fitted = calibrate(uncalibrated, pairs, pixels="fast")
    assert {calibration.pixels for calibration in fitted.values()} == {"fast"}
    fast = twinlens.load(uncalibrated, device="cpu", pixels="fast")
    assert (fast.level, fast.calibration.pixels) == ("fitted-pairs", "fast")
    exact = twinlens.load(uncalibrated, device="cpu")
    assert exact.level == "none"
    assert len(exact.embed_images(pairs.images[:2])) == 2
    with pytest.raises(
        CalibrationError,
        match=r"fitted on fast pixels, this model has exact ones; load it with pixels='fast', "
        r"or calibrate the bundle again: twinlens calibrate BUNDLE pairs\.csv --pixels exact",
    ):
        exact.match(pairs.images[:1], pairs.texts[:1])


def test_the_shipped_calibration_is_for_exact_pixels() -> None:
    assert twinlens.load("demo", device="cpu").calibration.pixels == "exact"
    assert twinlens.load("demo", device="cpu", pixels="fast").level == "none"
