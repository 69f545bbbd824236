"""One bad input of many: it is left out and named, the others are answered, the exit code is 1."""

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from twinlens.__main__ import main
from twinlens.demo.samples import bundled_drawings
from twinlens.errors import quoted
from twinlens.index.index import Index

PIZZA = next(drawing.path for drawing in bundled_drawings() if drawing.path.name == "1f355.png")
BAD = (b"<html>", b"", PIZZA.read_bytes()[:200])


def run_partly(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[Any, str]:
    """Run a command that leaves something out; return its JSON and its messages."""
    code = main([*arguments, "--device", "cpu", "--json"])
    printed = capsys.readouterr()
    assert code == 1, printed.err
    return json.loads(printed.out), printed.err


@pytest.fixture(params=BAD, ids=["no image", "empty", "cut"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A folder of three images, the second unreadable, and a table of pairs with them."""
    for name in "ac":
        (tmp_path / f"{name}.png").write_bytes(PIZZA.read_bytes())
    (tmp_path / "b.png").write_bytes(request.param)
    (tmp_path / "pairs.csv").write_text(
        "image,text\na.png,pizza\nb.png,pizza\nc.png,flag of Japan\n", encoding="utf-8"
    )
    return tmp_path


def test_classify_labels_the_others(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = ("classify", "demo", str(folder), "--labels", "airplane", "pizza")
    rows, said = run_partly(capsys, *line)
    assert [row["label"] for row in rows] == ["pizza", None, "pizza"]
    assert rows[1] == {"image": str(folder / "b.png"), "label": None, "probabilities": None}
    assert f"WARNING: image 1: {quoted(str(folder / 'b.png'))} " in said
    assert main([*line, "--device", "cpu"]) == 1
    assert [row.split()[0] for row in capsys.readouterr().out.splitlines()] == [
        str(folder / "a.png"),
        str(folder / "c.png"),
    ]


def test_search_finds_for_the_others(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    index = folder / "a.index"
    line = ["index", "demo", str(folder / "a.png"), "--out", str(index), "--device", "cpu"]
    assert main(line) == 0
    capsys.readouterr()
    queries = [str(folder / f"{name}.png") for name in "abc"]
    answers, said = run_partly(capsys, "search", "demo", str(index), *queries, "--image")
    assert [answer["query"] for answer in answers] == queries
    assert [answer["hits"] and answer["hits"][0]["row"] for answer in answers] == [0, None, 0]
    assert f"WARNING: image 1: {quoted(str(folder / 'b.png'))} " in said


def test_match_answers_the_others(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = ("match", "demo", str(folder / "pairs.csv"))
    rows, said = run_partly(capsys, *line)
    right, lost, wrong = (row["probability"] for row in rows)
    assert lost is None
    assert right > 0.5 > wrong
    assert f"WARNING: image 1: {quoted(str(folder / 'b.png'))} " in said
    assert main([*line, "--device", "cpu"]) == 1
    assert len(capsys.readouterr().out.splitlines()) == 2


@pytest.fixture
def drawings_and(folder: Path) -> Path:
    """A table of the drawings, with an unreadable image in the middle and a row that is no pair."""
    drawings = bundled_drawings()
    rows = [f'{drawing.path},"{drawing.caption}"' for drawing in drawings]
    rows[7:7] = [f"{folder / 'b.png'},pizza", f"{drawings[7].path}, "]
    table = folder / "drawings.csv"
    table.write_text("\n".join(["image,text", *rows, ""]), encoding="utf-8")
    return table


def test_evaluate_measures_the_others(
    drawings_and: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = ("evaluate", "demo", str(drawings_and), "--out", str(tmp_path / "report"))
    found, said = run_partly(capsys, *line)
    bad = drawings_and.parent / "b.png"
    assert [lost["name"] for lost in found["lost"]] == [str(bad)]
    assert f"line 10 has no text in {'text'!r}" in said
    assert said.count(f"WARNING: image 7: {quoted(str(bad))} ") == 1, (
        "named once, not once a precision"
    )
    drawings = bundled_drawings()
    whole = drawings_and.with_name("whole.csv")
    rows = [f'{drawing.path},"{drawing.caption}"' for drawing in drawings]
    whole.write_text("\n".join(["image,text", *rows, ""]), encoding="utf-8")
    assert main(["evaluate", "demo", str(whole), "--device", "cpu", "--json"]) == 0
    assert found | {"lost": []} == json.loads(capsys.readouterr().out)
    report = (tmp_path / "report/report.html").read_text(encoding="utf-8")
    assert "1 image could not be read" in report


def test_calibrate_fits_the_others(
    drawings_and: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = ["calibrate", "demo", str(drawings_and), "--out", str(tmp_path / "out"), "--json"]
    assert main(line) == 1
    printed = capsys.readouterr()
    found = json.loads(printed.out)
    assert {c["matching"] for c in found.values()} == {len(bundled_drawings())}
    bad = drawings_and.parent / "b.png"
    assert printed.err.count(f"WARNING: image 7: {quoted(str(bad))} ") == 1
    assert "line 10 has no text in 'text'" in printed.err
    assert main(["info", str(tmp_path / "out")]) == 0


def test_match_leaves_out_a_row_that_is_no_pair(
    drawings_and: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows, said = run_partly(capsys, "match", "demo", str(drawings_and))
    assert [row["image"] for row in rows if row["probability"] is not None] == [
        str(drawing.path) for drawing in bundled_drawings()
    ]
    assert "line 10 has no text in 'text': ' '; it is left out" in said


@pytest.mark.parametrize("command", ["match", "evaluate", "calibrate"])
def test_a_table_without_a_pair_is_an_error_that_names_its_first_row(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "pairs.csv"
    table.write_text("image,text\n,pizza\nlost.png,pizza\n", encoding="utf-8")
    out = ["--out", str(tmp_path / "out")] if command == "calibrate" else []
    assert main([command, "demo", str(table), *out]) == 1
    printed = capsys.readouterr()
    last = printed.err.splitlines()[-1]
    assert (printed.out, last.startswith(f"twinlens {command}: ")) == ("", True)
    assert "line 2 has no image" in last


@pytest.mark.parametrize("command", ["classify", "match"])
def test_no_readable_image_is_no_crash(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "b.png").write_bytes(b"<html>")
    (tmp_path / "pairs.csv").write_text("image,text\nb.png,pizza\n", encoding="utf-8")
    lines = {
        "classify": (str(tmp_path), "--labels", "airplane", "pizza"),
        "match": (str(tmp_path / "pairs.csv"),),
    }
    rows, _ = run_partly(capsys, command, "demo", *lines[command])
    assert len(rows) == 1


@pytest.mark.parametrize(
    ("head", "first", "second"),
    [("label", "1", ""), ("label", "often", "never"), ("label,label", "1,0", "0,1")],
)
def test_match_has_no_need_of_labels(
    head: str, first: str, second: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "pairs.csv"
    rows = (f"image,text,{head}", f"{PIZZA},pizza,{first}", f"{PIZZA},a dog,{second}", "")
    table.write_text("\n".join(rows), encoding="utf-8")
    assert main(["match", "demo", str(table), "--device", "cpu", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)) == 2


def encoded(shade: int) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (32, 32), (shade, 0, 0)).save(file, "PNG")
    return file.getvalue()


def tar_of(path: Path, *names: str) -> Path:
    with tarfile.open(path, "w") as archive:
        for number, name in enumerate(names):
            content = encoded(60 * number)
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def test_a_member_that_is_there_twice_is_named_and_the_rest_indexed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    archive = tar_of(tmp_path / "a.tar", "a.png", "b.png", "a.png", "c.png")
    out = tmp_path / "a.index"
    made, said = run_partly(capsys, "index", "demo", str(archive), "--out", str(out))
    assert (made["rows"], made["lost"]) == (3, [f"{archive}/a.png"])
    assert f"{archive}/a.png is there twice: the first is kept" in said
    assert len(Index.open(out, verify=True)) == 3


@pytest.mark.parametrize("kind", ["tar", "file", "folder"])
def test_a_source_that_is_given_twice_is_read_once_and_named(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "images").mkdir()
    for name in ("a", "b") if kind == "folder" else ("a",):
        (tmp_path / f"images/{name}.png").write_bytes(encoded(9))
    source = {
        "tar": tar_of(tmp_path / "a.tar", "a.png"),
        "file": tmp_path / "images/a.png",
        "folder": tmp_path / "images",
    }[kind]
    out = tmp_path / "a.index"
    line = ["index", "demo", str(source), str(source), "--out", str(out), "--device", "cpu"]
    if kind == "folder":
        line.insert(3, str(source / "a.png"))
        line.insert(3, str(source / "b.png"))
    assert main([*line, "--json"]) == 0, "nothing is left out"
    printed = capsys.readouterr()
    assert json.loads(printed.out)["rows"] == (2 if kind == "folder" else 1)
    assert f"{source} is given twice and read once" in printed.err
    told = f"{source / 'b.png'} is given twice and read once, as are 1 other files"
    assert (told in printed.err) == (kind == "folder")


def test_info_reads_an_index_whole(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "a.index"
    line = ["index", "demo", str(PIZZA.parent), "--out", str(out), "--device", "cpu"]
    assert main(line) == 0
    index = Index.open(out)
    index.remove([str(PIZZA)])
    capsys.readouterr()
    assert main(["info", str(out), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["rows"] == len(bundled_drawings()) - 1
    assert (told["removed"], told["width"], told["about"]) == (1, 192, dict(index.about))
    assert main(["info", str(out)]) == 0
    assert "every file matches its hash" in capsys.readouterr().out


@pytest.mark.parametrize("section", ["rows", "id_text", "codes", "centre"])
def test_info_names_a_file_of_an_index_that_was_changed(
    section: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "a.index"
    assert main(["index", "demo", str(PIZZA), "--out", str(out), "--device", "cpu"]) == 0
    capsys.readouterr()
    (file,) = out.glob(f"{section}.*")
    content = bytearray(file.read_bytes())
    content[0] ^= 1
    file.write_bytes(content)
    assert main(["info", str(out)]) == 1
    printed = capsys.readouterr()
    assert (printed.out, printed.err.count("\n")) == ("", 1)
    assert section in printed.err or "damaged" in printed.err
