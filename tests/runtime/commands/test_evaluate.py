"""twinlens evaluate on a table of the bundled drawings, and on unreadable pairs."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest
from half_demo import half_demo

from twinlens.__main__ import main
from twinlens.demo.samples import bundled_drawings
from twinlens.loading import folder_of

HERE = folder_of("demo").parent
TABLE = (
    *("--images", str(HERE / "drawings"), "--image-column", "file"),
    *("--text-column", "caption", "--class-column", "class", "--template", "{} emoji"),
)


def test_a_table_of_drawings_is_evaluated_in_every_precision(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["evaluate", str(half_demo()), str(HERE / "captions.csv"), *TABLE]
    arguments += ["--device", "cpu"]
    assert main([*arguments, "--out", str(tmp_path), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert (tmp_path / "report.html").read_text(encoding="utf-8").count("<svg") >= 2
    assert printed["images"] == printed["matching"] == len(bundled_drawings())
    for findings in printed["models"]:
        figures = findings["text_to_image"]["figures"]
        assert figures["recall_any_at_10"]["value"] >= figures["recall_any_at_1"]["value"] > 0.1
        assert findings["zero_shot"]["labels"][0] == "face"
        for reliability in findings["reliability"].values():
            assert reliability["base_rate"] == 0.5


def test_the_drawings_go_by_the_name_demo(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "demo", "demo", "--precision", "int8", "--device", "cpu"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"{len(bundled_drawings())} images")
    assert any(line.startswith("image to text recall@1, any hit") for line in lines)
    assert any(line.startswith("calibration") for line in lines)


def test_a_table_may_label_its_pairs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    drawings = bundled_drawings()[:20]
    table = tmp_path / "pairs.csv"
    with table.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["image", "text", "match"])
        rows.writerows([d.path, d.caption, 1] for d in drawings)
        turned = zip(drawings, drawings[3:] + drawings[:3], strict=True)
        rows.writerows([d.path, other.caption, 0] for d, other in turned)
    arguments = ["evaluate", "demo", str(table), "--label-column", "match", "--precision", "int8"]
    assert main([*arguments, "--device", "cpu"]) == 0
    assert "20 matching pairs and 20 others" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["lost.csv"], "lost.csv does not exist"),
        ([str(HERE / "captions.csv")], "no column 'image'; its columns are file, caption"),
        (["demo", "--precision", "fp32"], "bundle has int8, not fp32"),
    ],
)
def test_an_error_is_one_line(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", "demo", *arguments, "--device", "cpu"]) == 1
    printed = capsys.readouterr()
    assert message in printed.err
    assert printed.err.count("\n") == 1


def test_a_program_that_only_embeds_does_not_import_the_evaluation() -> None:
    code = "import sys, twinlens; print('twinlens.evaluation' in sys.modules, twinlens.evaluate)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("False <function evaluate")
