"""Output, files and errors of the command line."""

import json
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from twinlens.__main__ import main
from twinlens.commands.demo import QUERIES
from twinlens.demo.samples import bundled_drawings
from twinlens.index.index import Index
from twinlens.ort import native_operators

DRAWINGS = bundled_drawings()[0].path.parent


def run_json(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:  # noqa: ANN401  JSON
    code = main([*arguments, "--json"])
    printed = capsys.readouterr()
    assert code == 0, printed.err
    return json.loads(printed.out)


def run_failing(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    code = main(arguments)
    printed = capsys.readouterr()
    assert code == 1
    assert printed.out == ""
    assert printed.err.count("\n") == 1, "an error is one line"
    return printed.err


def run_misused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit, match="2"):
        main(arguments)
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1, "an error is one line"
    return printed.err


def names_in(written: Mapping[str, NDArray[Any]]) -> list[str]:
    """Read the names as the help of `twinlens embed` says."""
    text, ends = written["name_utf8"].tobytes(), written["name_ends"].tolist()
    return [text[start:end].decode() for start, end in zip([0, *ends], ends)]  # noqa: B905


def test_demo_does_the_whole_job(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sheet = tmp_path / "sheet.png"
    figures = run_json(capsys, "demo", "--device", "cpu", "--out", str(sheet))
    assert figures["drawings"] >= 48
    assert figures["text_to_image_recall_at_1"] > 0.7
    assert figures["image_to_text_recall_at_1"] > 0.7
    assert figures["matching_pairs_said_to_match"] > figures["other_pairs_said_to_match"] + 0.5
    assert list(figures["queries"]) == list(QUERIES)
    with Image.open(sheet) as image:
        assert image.width > 800


def test_embed_writes_rows_and_names(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "rows.npz"
    document = run_json(
        capsys, "embed", "demo", str(DRAWINGS), "--device", "cpu", "--out", str(out)
    )
    with np.load(out) as written:
        assert written["embeddings"].shape == (document["rows"], document["width"])
        assert len(names_in(written)) == document["rows"] == len(bundled_drawings())


def test_embed_reads_texts_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = tmp_path / "lines.txt"
    lines.write_text("a dog\n\n  a cat \n", encoding="utf-8")
    out = tmp_path / "rows.npz"
    run_json(capsys, "embed", "demo", str(lines), "--texts", "--device", "cpu", "--out", str(out))
    with np.load(out) as written:
        assert names_in(written) == ["a dog", "a cat"]


def test_search_finds_in_a_folder_that_was_indexed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    index = tmp_path / "drawings.index"
    made = run_json(capsys, "index", "demo", str(DRAWINGS), "--device", "cpu", "--out", str(index))
    assert made["rows"] == len(Index.open(index)) == len(bundled_drawings())
    found = run_json(
        capsys, "search", "demo", str(index), "pizza", "guitar", "-k", "3", "--device", "cpu"
    )
    assert [Path(row["hits"][0]["name"]).name for row in found] == ["1f355.png", "1f3b8.png"]
    assert [len(row["hits"]) for row in found] == [3, 3]
    own = str(DRAWINGS / "1f355.png")
    (alike,) = run_json(
        capsys, "search", "demo", str(index), own, "--image", "-k", "1", "--device", "cpu"
    )
    assert alike["hits"][0]["name"] == own
    assert alike["hits"][0]["cosine"] == pytest.approx(1, abs=1e-6)


def test_an_unreadable_image_is_left_out_and_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "good.png").write_bytes((DRAWINGS / "1f355.png").read_bytes())
    (tmp_path / "bad.png").write_bytes(b"no image")
    index = tmp_path / "out.index"
    code = main(["index", "demo", str(tmp_path), "--device", "cpu", "--out", str(index), "--json"])
    printed = capsys.readouterr()
    assert code == 1
    assert "bad.png is no image" in printed.err
    document = json.loads(printed.out)
    assert document["rows"] == 1
    assert [Path(name).name for name in document["lost"]] == ["bad.png"]


def test_search_refuses_an_index_of_another_model(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    index = tmp_path / "a.index"
    about = {"model": "clip-b32", "sha256": "0" * 64, "precision": "int8"}
    Index.build(np.eye(192), about=about).save(index)
    error = run_failing(capsys, "search", "demo", str(index), "pizza", "--device", "cpu")
    assert "was made with model clip-b32, sha256 000000000000..., precision int8, but this" in error


def test_search_of_an_index_that_python_made_gives_its_ids(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    index = tmp_path / "a.index"
    Index.build(np.eye(192), ids=range(1000, 1192)).save(index)
    (found,) = run_json(capsys, "search", "demo", str(index), "pizza", "-k", "1", "--device", "cpu")
    assert found["hits"][0]["name"] == found["hits"][0]["row"] + 1000


def test_index_takes_an_image_once_and_replaces_an_index(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image, index = DRAWINGS / "1f355.png", tmp_path / "a.index"
    for inputs in ((str(DRAWINGS),), (str(image), str(DRAWINGS), str(image))):
        made = run_json(
            *(capsys, "index", "demo", *inputs, "--device", "cpu", "--out", str(index), "--force")
        )
        assert made["rows"] == len(Index.open(index, verify=True)) == len(bundled_drawings())
    about = Index.open(index).about
    assert set(about) == {"model", "sha256", "precision", "pixels", "passes", "operators"}
    assert (about["precision"], about["pixels"]) == ("int8", "exact")


def test_texts_find_images_read_fast_but_images_read_exactly_do_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    index, cpu = str(tmp_path / "a.index"), ("--device", "cpu")
    run_json(capsys, "index", "demo", str(DRAWINGS), *cpu, "--out", index, "--pixels", "fast")
    (found,) = run_json(capsys, "search", "demo", index, "pizza", "-k", "1", *cpu)
    assert Path(found["hits"][0]["name"]).name == "1f355.png"
    own = str(DRAWINGS / "1f355.png")
    error = run_failing(capsys, "search", "demo", index, own, "--image", *cpu)
    assert "load the model with pixels='fast'" in error


def test_search_refuses_an_index_of_another_width(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    index = tmp_path / "a.index"
    Index.build(np.eye(3, dtype=np.float32)).save(index)
    error = run_failing(capsys, "search", "demo", str(index), "pizza", "--device", "cpu")
    assert "queries have width 192, but the index has width 3" in error


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names")
@pytest.mark.parametrize("name", [b"two\nlines", b"cr\rlf", "\u2028 🍕".encode(), b"no text \xff"])
def test_any_name_of_a_file_is_found_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: bytes
) -> None:
    folder, index = tmp_path / "images", tmp_path / "a.index"
    folder.mkdir()
    path = os.fsencode(folder) + b"/" + name + b".png"
    shutil.copyfile(DRAWINGS / "1f355.png", path)
    run_json(capsys, "index", "demo", str(folder), "--device", "cpu", "--out", str(index))
    (found,) = run_json(capsys, "search", "demo", str(index), "pizza", "--device", "cpu")
    assert os.fsencode(found["hits"][0]["name"]) == path
    assert main(["search", "demo", str(index), "pizza", "--device", "cpu"]) == 0


def test_match_tells_the_probability_of_each_pair(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pairs = tmp_path / "pairs.csv"
    pizza = DRAWINGS / "1f355.png"
    pairs.write_text(f"image,text\n{pizza},pizza\n{pizza},flag of Japan\n", encoding="utf-8")
    right, wrong = run_json(capsys, "match", "demo", str(pairs), "--device", "cpu")
    assert right["probability"] > 0.5 > wrong["probability"]


def test_match_names_a_missing_column(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pairs = tmp_path / "pairs.csv"
    pairs.write_text("photo,text\n", encoding="utf-8")
    error = run_failing(capsys, "match", "demo", str(pairs))
    assert "no column 'image'; its columns are photo, text" in error


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (b"", "has no column 'image'"),
        (b"image,text,text\na,b,c\n", "has more than one column 'text'"),
        (b"image,text\na.png\n", "line 2 has not the 2 cells"),
        (b"image,text\na.png,a dog, asleep\n", "put quotes around a cell that holds the separator"),
        (b'image,text\na.png,"a dog\nb.png,a cat\n', "is not CSV: unexpected end of data"),
        (b"image,text\na.png," + b"x" * 200_000, "a.png, which is no file"),
        (b"image,text\na.png,caf\xe9\n", "is not UTF-8: invalid continuation byte"),
    ],
)
def test_match_refuses_a_table_it_would_misread(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], table: bytes, message: str
) -> None:
    pairs = tmp_path / "pairs.csv"
    pairs.write_bytes(table)
    assert message in run_failing(capsys, "match", "demo", str(pairs), "--device", "cpu")


def test_match_reads_what_a_spreadsheet_writes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "pizza.png").write_bytes((DRAWINGS / "1f355.png").read_bytes())
    pairs = tmp_path / "pairs.csv"
    pairs.write_bytes(b'\xef\xbb\xbfimage,text\r\npizza.png,"a ""big"",\r\nhot pizza"\r\n\r\n')
    (row,) = run_json(capsys, "match", "demo", str(pairs), "--device", "cpu")
    assert row["text"] == 'a "big",\r\nhot pizza'


def test_classify_labels_images(capsys: pytest.CaptureFixture[str]) -> None:
    rows = run_json(
        capsys,
        *("classify", "demo", str(DRAWINGS / "1f355.png"), "--device", "cpu"),
        *("--labels", "pizza", "airplane"),
    )
    assert rows[0]["label"] == "pizza"
    assert sum(rows[0]["probabilities"].values()) == pytest.approx(1, abs=1e-5)


def test_info_shows_the_verification(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", "demo"]) == 0
    printed = capsys.readouterr().out
    assert "int8       image" in printed
    assert "calibration int8" in printed


def test_doctor_says_what_works(capsys: pytest.CaptureFixture[str]) -> None:
    document = run_json(capsys, "doctor")
    assert document["devices"]["cpu"] is None
    assert "onnxruntime" in document["wheels"]
    assert document["threads"] >= 1
    assert isinstance(document["vnni"], bool)
    assert document["native_bf16"] == native_operators.serving_bf16()


@pytest.mark.parametrize("path", ["avx512bf16", "avx2", None])
def test_doctor_says_whether_bf16_is_fast(
    path: str | None, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(native_operators, "serving_bf16", lambda: path)
    assert main(["doctor"]) == 0
    fast = "bf16 on this processor: native operators (avx512bf16)"
    slow = "bf16 on this processor: computed in float32, no faster than fp32"
    assert (fast if path == "avx512bf16" else slow) in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("info", "nowhere"), "nowhere is not a bundle"),
        (("classify", "demo", "nowhere.png", "--labels", "a"), "nowhere.png does not exist"),
        (("classify", "demo", str(DRAWINGS), "--labels", "@nowhere"), "nowhere does not exist"),
        (("search", "demo", "nowhere.index", "x"), "nowhere.index"),
        (("search", "demo", str(DRAWINGS), "x"), "is no twinlens index"),
        (("index", "demo", str(DRAWINGS), "--out", "no/where"), "no/where cannot be written"),
        (("index", "demo", str(DRAWINGS), "--out", str(DRAWINGS)), "which belongs to no index"),
        (("embed", "demo", str(DRAWINGS), "--out", "no/where"), "no/where cannot be written"),
        (("embed", "demo", str(DRAWINGS), "--out", str(DRAWINGS)), "to no folder of embeddings"),
        (("demo", "--device", "cuda"), "twinlens[gpu]"),
    ],
)
def test_an_error_is_one_line_without_a_traceback(
    arguments: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert message in run_failing(capsys, *arguments)


IMAGE = str(DRAWINGS / "1f355.png")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("search", "demo", IMAGE, "x"), "1f355.png is a file, wanted a folder"),
        (("info", IMAGE), "1f355.png is a file, wanted a folder"),
        (("match", IMAGE, "pairs.csv"), "1f355.png is a file, wanted a folder"),
        (("embed", "demo", str(DRAWINGS), "--out", "rows.csv"), "let it end in .npz, .npy or"),
        (("embed", "demo", IMAGE, "--out", "x", "--shard", "4/3"), "shard is 4/3, wanted i/n"),
        (("embed", "demo", IMAGE, "--out", "x", "--shard", "half"), "shard is 'half', not a"),
        (
            ("embed", "demo", IMAGE, "--out", "x", "--shard", "1/2", "--force"),
            "would take the parts of the other shards",
        ),
        (("index", "demo", str(DRAWINGS), "--out", __file__), "but an index is a folder"),
        (
            ("index", "demo", str(DRAWINGS), "--out", "-"),
            "--out - is the standard output, but this output is a folder",
        ),
        (("index", "demo", "", "--out", "x"), "a path is empty"),
        (("evaluate", "demo", "demo", "--out", __file__), "is a file or a device; name a folder"),
        (("evaluate", "demo", "demo", "--out", "-"), "this output is a folder"),
        (("evaluate", "demo", "x.csv", "--images", __file__), "is a file, wanted a folder"),
        (("embed", "demo", "--texts", str(DRAWINGS), "--out", "x.npz"), "is a folder; --texts"),
        (("demo", "--out", "sheet"), "no name of an image; let it end in .png"),
        (("demo", "--threads", "0"), "threads is 0"),
        (("demo", "--threads", "4097"), "threads is 4097"),
        (("search", "demo", "--", "a.index", "--"), "-- is there twice"),
        (("demo", "--threads", "two"), "threads is 'two', not a whole number"),
        (("classify", "demo", IMAGE, "--labels", ""), "label 0 is empty"),
        (("classify", "demo", IMAGE, "--labels", "a,"), "label 1 is empty"),
        (("classify", "demo", IMAGE, "--labels", "a", "a"), "label 'a' is there twice"),
        (("classify", "demo", IMAGE, "--labels", "a", "--template", "a"), "has 0 places"),
        (("evaluate", "demo", "demo", "--template", "a"), "has 0 places"),
        (("demo", "--device", "tpu"), "device is 'tpu'"),
        (("demo", "--device", "cuda:-1"), "device is 'cuda:-1'"),
        (("evaluate", "demo", "demo", "--device", "gpu"), "device is 'gpu'"),
        (("demo", "--precision", "int4"), "precision is 'int4'"),
        (("demo", "--pixels", "raw"), "argument --pixels: invalid choice: 'raw'"),
        (("match", "demo", "pairs.csv", "--prior", "1"), "prior is 1.0, not between 0 and 1"),
        (("match", "demo", "pairs.csv", "--prior", "nan"), "prior is nan, not between"),
        (("calibrate", "demo", "pairs.csv", "--prior", "often"), "prior is 'often'"),
        (("search", "demo", "a.index", "x", "-k", "0"), "k is 0, not between 1"),
        (("search", "demo", "a.index", "x", "-k", "1.5"), "k is '1.5', not a whole number"),
        (("calibrate", "demo", "p.csv", "--out", str(DRAWINGS.parent / "bundle/b")), "lies in the"),
    ],
)
def test_a_value_that_could_never_work_exits_with_2_and_one_line(
    arguments: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert message in run_misused(capsys, *arguments)


def test_misuse_exits_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["embed", "demo"])
    assert "usage: twinlens embed" in capsys.readouterr().err


def test_the_module_runs_as_a_program() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "twinlens", "info", "demo"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "calibration int8" in done.stdout
    assert done.stderr == ""


def run_in_shell(script: str, out: Path) -> subprocess.CompletedProcess[str]:
    """Run a script with $twinlens for the program and $out for a file that may be written."""
    return subprocess.run(
        ["bash", "-c", script],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "twinlens": f"{sys.executable} -m twinlens", "out": str(out)},
    )


@pytest.mark.skipif(sys.platform != "linux", reason="speaks of a POSIX shell and of /dev/full")
@pytest.mark.parametrize(
    ("script", "code", "error"),
    [
        ("$twinlens info demo --json | true; exit ${PIPESTATUS[0]}", 1, ""),
        ("$twinlens info demo >&-", 0, ""),
        ("$twinlens info demo 2>&- | cat", 0, ""),
        (
            "$twinlens info demo >/dev/full",
            1,
            "twinlens info: [Errno 28] No space left on device\n",
        ),
        ("$twinlens embed demo --texts - --device cpu --out $out <&-", 0, ""),
        (
            "$twinlens embed demo --texts - --device cpu --out /dev/null",
            2,
            "twinlens embed: --out /dev/null is a folder or a device; name a file\n",
        ),
        ("PYTHONIOENCODING=ascii $twinlens info demo", 0, ""),
    ],
)
def test_a_stream_that_is_closed_or_full_leaves_no_traceback(
    tmp_path: Path, script: str, code: int, error: str
) -> None:
    done = run_in_shell(script, tmp_path / "out.npz")
    assert (done.returncode, done.stderr) == (code, error)


@pytest.mark.skipif(sys.platform != "linux", reason="Windows sends no such signal")
def test_an_interruption_is_quiet() -> None:
    code = "import signal; signal.raise_signal(signal.SIGINT)"
    script = (
        "import sys, twinlens.__main__ as program\n"
        "from twinlens.commands import doctor\n"
        f"def run(options): {code}\n"
        "doctor.run = run\n"
        "sys.exit(program.main(['doctor']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


def test_images_are_read_from_a_tar_and_a_pattern(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shard = tmp_path / "a.tar"
    with tarfile.open(shard, "w") as archive:
        for name in ("1f355.png", "1f3b8.png"):
            archive.add(DRAWINGS / name, arcname=name)
    sources = [str(shard), f"{DRAWINGS}/1f35*.png"]
    listed = run_json(capsys, "classify", "demo", *sources, "--labels", "food", "guitar")
    assert [row["image"] for row in listed[:2]] == [f"{shard}/1f355.png", f"{shard}/1f3b8.png"]
    assert [row["label"] for row in listed[:2]] == ["food", "guitar"]
    index = tmp_path / "a.index"
    made = run_json(capsys, "index", "demo", *sources, "--out", str(index), "--pixels", "fast")
    assert made["rows"] == len(listed) > 3


def test_a_text_too_long_is_said_or_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = tmp_path / "lines.txt"
    lines.write_text("a dog\n" + "a dog " * 50 + "\n", encoding="utf-8")
    out = str(tmp_path / "rows.npz")
    arguments = ["embed", "demo", str(lines), "--texts", "--out", out, "--force"]
    assert main(arguments) == 0
    assert "1 of 2 texts are cut to 32 tokens: text 1 has 102" in capsys.readouterr().err
    error = run_failing(capsys, *arguments, "--on-cut", "error")
    assert "text 1 has 102 tokens, wanted at most 32" in error
