"""Curves of a fresh export: assumed without pairs, fitted at once with them."""

import csv
import dataclasses
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

import twinlens
from twinlens.bundle.bundle import open_bundle, write_manifest
from twinlens.demo.samples import bundled_drawings
from twinlens.metrics import reliability
from twinlens_export.__main__ import main
from twinlens_export.calibration.assumed import PUBLISHED, unmatched_bias
from twinlens_export.errors import ExportError
from twinlens_export.exporter import calibrate_exported
from twinlens_export.verification.samples import SampleFiles

ROOT = Path(__file__).parents[2]
DRAWINGS = bundled_drawings()


def test_the_bias_is_the_log_of_the_mean_odds_of_unmatched_pairs() -> None:
    random = np.random.default_rng(0)
    cosines = random.normal(0.1, 0.03, size=(300, 300)).astype(np.float32)
    exact = -np.log(np.exp(40.0 * cosines).mean())
    assert unmatched_bias(cosines, 40.0) == pytest.approx(exact, abs=0.03)
    np.fill_diagonal(cosines, 0.5)  # matches among them
    assert unmatched_bias(cosines, 40.0) == pytest.approx(exact, abs=0.03)


def test_published_cosines_tell_matches_apart_at_the_scale_of_clip() -> None:
    for cosines in PUBLISHED.values():
        middle = (cosines.unmatched + cosines.matched) / 2
        assert 100 * (cosines.matched - middle) > 4
        assert 0 < cosines.unmatched < middle < cosines.matched < 0.4


@pytest.fixture(scope="module")
def exported(
    demo_checkpoint: Path, sample_files: SampleFiles, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The trained checkpoint, exported by the command with pairs."""
    folder = tmp_path_factory.mktemp("exported")
    table, out = folder / "pairs.csv", folder / "bundle"
    with table.open("w", encoding="utf-8", newline="") as file:
        rows = [[drawing.path, drawing.caption] for drawing in DRAWINGS]
        csv.writer(file).writerows([["image", "text"], *rows])
    samples = ["--images", str(sample_files.images), "--texts", str(sample_files.texts)]
    line = [str(demo_checkpoint), str(out), "--precision", "fp32", "fp16", *samples]
    assert main([*line, "--pairs", str(table)]) == 0
    return out


@pytest.fixture
def bundle(exported: Path, tmp_path: Path) -> Path:
    """The same without pairs."""
    folder = tmp_path / "bundle"
    shutil.copytree(exported, folder)
    manifest = open_bundle(folder).manifest
    write_manifest(folder, dataclasses.replace(manifest, calibrations={}))
    return folder


def test_an_assumed_curve_is_far_better_than_half_a_cosine(bundle: Path) -> None:
    model = twinlens.load(bundle, device="cpu", level="assumed")
    images = [drawing.path for drawing in DRAWINGS]
    texts = [drawing.caption for drawing in DRAWINGS]
    truth = np.arange(2 * len(texts)) < len(texts)
    told = model.match(images * 2, texts + texts[7:] + texts[:7])
    cosines = np.einsum(
        "bd,bd->b", model.embed_images(images * 2), model.embed_texts(texts + texts[7:] + texts[:7])
    )
    assert reliability.ece(told, truth) < 0.15
    assert reliability.ece((1 + cosines) / 2, truth) > 0.3
    assert "no pairs; from the checkpoint's own scale" in model.calibration.fitted_on


def test_the_page_for_readers_of_autogluon_runs_on_it(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "photos").symlink_to(DRAWINGS[0].path.parent)
    monkeypatch.chdir(tmp_path)
    page = (ROOT / "docs/pages/guides/autogluon.md").read_text(encoding="utf-8")
    code = "\n".join(re.findall(r"```python\n(.*?)```", page, re.DOTALL))
    names: dict[str, object] = {}
    exec(code.replace('"demo"  #', f"{str(bundle)!r}  #"), names)
    assert names["level"] == "assumed"


def test_pairs_calibrate_every_precision_at_once(exported: Path) -> None:
    manifest = open_bundle(exported).manifest
    assert {name: one.level for name, one in manifest.calibrations.items()} == {
        "fp32": "fitted-pairs",
        "fp16": "fitted-pairs",
    }
    model = twinlens.load(exported, device="cpu", precision="fp32")
    assert model.level == "fitted-pairs"
    assert model.calibration_for(level="assumed").level == "assumed"


def test_pairs_that_cannot_be_read_are_refused_before_the_work(
    demo_checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table, out = tmp_path / "pairs.csv", tmp_path / "bundle"
    table.write_text("image,text\nnowhere.png,a dog\n", encoding="utf-8")
    assert main([str(demo_checkpoint), str(out), "--pairs", str(table)]) == 1
    assert "nowhere.png, which is no file" in capsys.readouterr().err
    assert not out.exists()


def test_pairs_that_cannot_calibrate_leave_the_bundle_whole(
    exported: Path,
) -> None:
    few = twinlens.Pairs(images=[DRAWINGS[0].path], texts=["a"])
    with pytest.raises(ExportError, match=r"whole, but it is not calibrated \(.* needs .*, got 1;"):
        calibrate_exported(exported, few)
    assert open_bundle(exported).manifest.calibrations["fp32"].level == "fitted-pairs"
