"""Labels of `twinlens classify` in each of their forms, with pictures before and after them."""

import json
from pathlib import Path

import pytest

from twinlens.__main__ import main
from twinlens.demo.samples import bundled_drawings

PIZZA = str(next(d.path for d in bundled_drawings() if d.path.name == "1f355.png"))
LABELS = ["airplane", "pizza", "dog"]


@pytest.fixture(autouse=True)
def in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "labels.txt").write_text("\ufeffairplane\r\n\r\n pizza\ndog", encoding="utf-8")
    (tmp_path / "forms.txt").write_text("a photo of a {}, a kind of food\n{}\n", encoding="utf-8")


@pytest.mark.parametrize(
    "line",
    [
        [PIZZA, "--labels", *LABELS],
        [PIZZA, "--labels", "airplane,pizza,dog"],
        [PIZZA, "--labels", "airplane, pizza , dog"],
        [PIZZA, "--labels", "@labels.txt"],
        ["--labels", "airplane,pizza,dog", PIZZA],
        ["--labels=airplane,pizza,dog", PIZZA],
        ["--labels", "@labels.txt", PIZZA],
        ["--labels", *LABELS, "--", PIZZA],
        ["--labels", *LABELS, "--template", "a {}", "--", PIZZA],
        ["--labels", "airplane,pizza,dog", "--template", "@forms.txt", PIZZA],
    ],
)
def test_labels_leave_the_picture_alone(
    line: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["classify", "demo", "--json", "--device", "cpu", *line]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["image"], row["label"]) == (PIZZA, "pizza")
    assert list(row["probabilities"]) == LABELS


def test_templates_of_a_file_are_those_of_the_line(capsys: pytest.CaptureFixture[str]) -> None:
    found = []
    for forms in (["@forms.txt"], ["a photo of a {}, a kind of food", "{}"]):
        line = ["classify", "demo", PIZZA, "--labels", *LABELS, "--template", *forms]
        assert main([*line, "--json", "--device", "cpu"]) == 0
        found.append(json.loads(capsys.readouterr().out))
    assert found[0] == found[1]


def test_a_picture_swallowed_by_labels_is_missed_with_the_cure(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["classify", "demo", "--labels", *LABELS, PIZZA])
    said = capsys.readouterr().err.splitlines()[-1]
    assert "required: inputs; an option of several words takes every word after it" in said
    assert "--labels a,b" in said


def test_a_file_of_labels_that_is_no_text_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "labels.txt").write_bytes(b"caf\xe9\n")
    assert main(["classify", "demo", PIZZA, "--labels", "@labels.txt"]) == 1
    assert "labels.txt is not UTF-8 text: invalid" in capsys.readouterr().err
