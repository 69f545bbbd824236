"""The level of a probability: the one asked for or an error, and named in every output."""

import csv
import json
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from assumed_bundle import CURVE, assume

import twinlens
from twinlens import CalibrationError, Model
from twinlens.__main__ import main
from twinlens.demo.samples import bundled_drawings

DRAWINGS = bundled_drawings()[:12]
PICTURES = [str(drawing.path) for drawing in DRAWINGS]
NAMES = [drawing.caption for drawing in DRAWINGS]


@pytest.fixture
def bundle(uncalibrated: Path) -> Path:
    return assume(uncalibrated)


@pytest.fixture
def assumed(bundle: Path) -> Model:
    return twinlens.load(bundle, device="cpu", threads=2)


def test_an_assumed_curve_serves_only_where_it_is_asked_for(assumed: Model) -> None:
    assert assumed.level == "none"
    both_ways = r"twinlens calibrate BUNDLE pairs\.csv; or .* level='assumed'$"
    with pytest.raises(CalibrationError, match=both_ways):
        assumed.match(PICTURES, NAMES)
    with pytest.raises(CalibrationError, match=both_ways):
        _ = assumed.calibration
    cosines = np.einsum("bd,bd->b", assumed.embed_images(PICTURES), assumed.embed_texts(NAMES))
    told = 1 / (1 + np.exp(-(CURVE.scale * cosines + CURVE.bias)))
    np.testing.assert_allclose(assumed.match(PICTURES, NAMES, level="assumed"), told, atol=1e-6)


def test_a_level_that_is_not_there_is_an_error_that_tells_those_that_are(
    assumed: Model, model: Model, bundle: Path
) -> None:
    with pytest.raises(CalibrationError, match=r"no calibration of level native .* but assumed;"):
        assumed.match(PICTURES, NAMES, level="native")
    with pytest.raises(CalibrationError, match=r"of level native .* but fitted-pairs, assumed;"):
        model.match(PICTURES, NAMES, level="native")
    with pytest.raises(CalibrationError, match="of level fitted-labels"):
        twinlens.load(bundle, device="cpu", level="fitted-labels")
    with pytest.raises(ValueError, match=r"level is 'asumed', not one of native, .*assumed"):
        model.match(PICTURES, NAMES, level="asumed")  # type: ignore[arg-type]
    assert model.match(PICTURES, NAMES, level="fitted-pairs").tolist() == (
        model.match(PICTURES, NAMES).tolist()
    )


def test_tables_and_columns_name_an_assumed_level(assumed: Model, model: Model) -> None:
    columns = {"image": PICTURES, "text": NAMES}
    named = ["no match (assumed)", "match (assumed)"]
    for table in (pd.DataFrame(columns), pl.DataFrame(columns)):
        assert list(assumed.predict_proba(table, level="assumed").columns) == named
        assert assumed.predict(table, level="assumed").name == named[1]
        assert list(model.predict_proba(table).columns) == ["no match", "match"]
    found = assumed.predict_proba(pa.table(columns), level="assumed")
    assert found.column_names == named


def test_a_model_loaded_with_the_level_has_it_in_every_call(bundle: Path) -> None:
    with twinlens.load(bundle, device="cpu", threads=2, level="assumed") as model:
        assert model.level == model.calibration.level == "assumed"
        labels = [1, 0] * 6
        pairs = twinlens.Pairs(images=PICTURES, texts=NAMES, labels=labels)
        (found,) = twinlens.evaluate(model, pairs).models
        assert found.level == "assumed"


def test_the_command_line_names_an_assumed_level(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "pairs.csv"
    with table.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["image", "text"], *zip(PICTURES, NAMES, strict=True)])
    line = [str(bundle), str(table)]
    assert main(["match", *line]) == 1
    assert "level='assumed'" in capsys.readouterr().err
    assert main(["match", *line, "--level", "assumed"]) == 0
    assert all("(assumed)" in told for told in capsys.readouterr().out.splitlines())
    assert main(["match", *line, "--level", "assumed", "--json"]) == 0
    assert {row["level"] for row in json.loads(capsys.readouterr().out)} == {"assumed"}
    out = tmp_path / "report"
    assert main(["evaluate", *line, "--level", "assumed", "--out", str(out)]) == 0
    told = capsys.readouterr().out
    assert any(row.split()[:2] == ["calibration", "assumed"] for row in told.splitlines())
    assert "nobody has fitted the curve" in (out / "report.html").read_text(encoding="utf-8")
    assert main(["info", str(bundle)]) == 0
    told = capsys.readouterr().out
    assert "--level assumed" in told
    assert "assumed calibration int8, image-text pairs" in told
