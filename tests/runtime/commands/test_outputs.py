"""Outputs: never replaced unasked, whole before they take their place, of a size that fits."""

import errno
import io
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from twinlens.__main__ import main
from twinlens.bundle.bundle import open_bundle
from twinlens.commands.writing.embeddings_file import write_embeddings
from twinlens.demo.samples import bundled_drawings
from twinlens.durable.whole import whole_file, whole_files, whole_folder

DRAWINGS = bundled_drawings()
IMAGE = str(DRAWINGS[0].path)


def disk_full(*given: object, **named: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def names_in(written: Mapping[str, NDArray[Any]]) -> list[str]:
    text, ends = written["name_utf8"].tobytes(), written["name_ends"].tolist()
    starts = [0, *ends[:-1]]
    return [
        text[start:end].decode("utf-8", "surrogatepass")
        for start, end in zip(starts, ends, strict=True)
    ]


def listed(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def interrupt_half_a_file(out: Path) -> None:
    with whole_file(out) as file:
        file.write(b"half of the n")
        raise KeyboardInterrupt


def fail_half_way(out: Path, whole: Callable[[Path], AbstractContextManager[Path]]) -> None:
    with whole(out) as draft:
        draft.mkdir(exist_ok=True)
        (draft / "report.json").write_text("new")
        disk_full()


def test_an_error_leaves_the_old_file_and_nothing_beside_it(tmp_path: Path) -> None:
    out = tmp_path / "a.npz"
    for old in (None, b"old"):
        if old is not None:
            out.write_bytes(old)
        with pytest.raises(KeyboardInterrupt):
            interrupt_half_a_file(out)
        assert listed(tmp_path) == ([] if old is None else ["a.npz"])
    assert out.read_bytes() == b"old"


def test_a_new_file_keeps_the_link_and_the_mode_of_the_old(tmp_path: Path) -> None:
    out, link = tmp_path / "a.npz", tmp_path / "link.npz"
    out.write_bytes(b"old")
    out.chmod(0o640)
    link.symlink_to(out)
    with whole_file(link) as file:
        file.write(b"new")
        assert out.read_bytes() == b"old"
    assert link.is_symlink()
    assert out.read_bytes() == b"new"
    assert stat.S_IMODE(out.stat().st_mode) == 0o640


def test_a_name_of_the_longest_kind_has_room_for_its_draft(tmp_path: Path) -> None:
    out = tmp_path / f"{'a' * 251}.npz"
    with whole_file(out) as file:
        file.write(b"new")
    assert listed(tmp_path) == [out.name]


def test_an_error_leaves_the_old_files_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "report.json").write_text("old")
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(OSError, match="No space"):
        fail_half_way(tmp_path, whole_files)
    assert listed(tmp_path) == ["mine.txt", "report.json"]
    assert (tmp_path / "report.json").read_text() == "old"
    with whole_files(tmp_path) as draft:
        (draft / "report.json").write_text("new")
        (draft / "report.html").write_text("new")
    assert listed(tmp_path) == ["mine.txt", "report.html", "report.json"]
    assert (tmp_path / "report.json").read_text() == "new"


def test_an_error_leaves_the_old_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "copy"
    out.mkdir()
    (out / "old").touch()

    def make(draft: Path) -> None:
        draft.mkdir()
        (draft / "new").touch()

    with pytest.raises(OSError, match="No space"):
        fail_half_way(out, whole_folder)
    assert (listed(tmp_path), listed(out)) == (["copy"], ["old"])

    rename = Path.rename

    def failing(path: Path, target: Path) -> Path:
        if (path / "new").exists():
            disk_full()
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", failing)
    with pytest.raises(OSError, match="No space"), whole_folder(out) as draft:
        make(draft)
    assert (listed(tmp_path), listed(out)) == (["copy"], ["old"])
    monkeypatch.undo()
    with whole_folder(out) as draft:
        make(draft)
    assert (listed(tmp_path), listed(out)) == (["copy"], ["new"])


@pytest.mark.parametrize(
    ("line", "act"),
    [
        (["embed", "demo", IMAGE], "twinlens.commands.writing.embeddings_file.np.savez"),
        (["demo"], "PIL.Image.Image.save"),
    ],
)
def test_a_disk_that_fills_up_leaves_the_old_output(
    line: list[str],
    act: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "out.png"
    out.write_bytes(b"old")
    monkeypatch.setattr(act, disk_full)
    assert main([*line, "--device", "cpu", "--out", str(out), "--force"]) == 1
    assert "No space left on device" in capsys.readouterr().err
    assert (listed(tmp_path), out.read_bytes()) == (["out.png"], b"old")


@pytest.mark.skipif(sys.platform != "linux", reason="Windows knows no such signal")
def test_a_killed_writer_leaves_the_old_output_and_a_draft_that_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "rows.npz"
    out.write_bytes(b"old")
    code = (
        "import os, signal, sys, numpy as np, twinlens.__main__ as program\n"
        "def killed(file, **arrays): file.write(b'half'); os.kill(os.getpid(), signal.SIGKILL)\n"
        "np.savez = killed\n"
        "program.main(sys.argv[1:])"
    )
    line = ["embed", "demo", IMAGE, "--device", "cpu", "--out", str(out), "--force"]
    done = subprocess.run([sys.executable, "-c", code, *line], check=False)
    assert done.returncode == -signal.SIGKILL
    assert out.read_bytes() == b"old"
    (draft,) = set(tmp_path.iterdir()) - {out}
    assert main(line) == 0
    assert f"{draft} is a draft: delete it unless" in capsys.readouterr().err
    assert out.read_bytes().startswith(b"PK")


def test_a_report_that_cannot_be_written_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "report.json").write_text("old")
    monkeypatch.setattr("twinlens.commands.evaluate.write_report", disk_full)
    line = ["evaluate", "demo", "demo", "--precision", "int8", "--device", "cpu"]
    assert main([*line, "--out", str(tmp_path), "--force"]) == 1
    assert (listed(tmp_path), (tmp_path / "report.json").read_text()) == (["report.json"], "old")


def test_a_calibrated_copy_replaces_a_bundle_that_is_there_and_nothing_else(
    uncalibrated: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table, out = tmp_path / "pairs.csv", tmp_path / "copy"
    rows = [f"{drawing.path},{drawing.caption}\n" for drawing in DRAWINGS]
    table.write_text("image,text\n" + "".join(rows), encoding="utf-8")
    line = ["calibrate", str(uncalibrated), str(table), "--out", str(out)]
    out.mkdir()
    (out / "letters.txt").touch()
    assert main([*line, "--force"]) == 1, "a folder of something else stays"
    shutil.rmtree(out)
    shutil.copytree(uncalibrated, out)
    assert main(line) == 1, "a bundle stays without --force"
    with monkeypatch.context() as full:
        full.setattr("twinlens.calibration.calibrate.write_manifest", disk_full)
        assert main([*line, "--force"]) == 1
    assert not open_bundle(out).manifest.calibrations
    assert main([*line, "--force"]) == 0
    assert set(open_bundle(out).manifest.calibrations) == {"fp16", "int8"}
    assert listed(tmp_path) == ["bundle", "copy", "pairs.csv"]
    assert not open_bundle(uncalibrated).manifest.calibrations


def test_the_sheet_of_an_earlier_demo_is_replaced_but_a_named_one_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "twinlens-demo.png").write_bytes(b"old")
    assert main(["demo", "--device", "cpu", "--out", "twinlens-demo.png"]) == 1
    assert main(["demo", "--device", "cpu"]) == 0
    assert (tmp_path / "twinlens-demo.png").read_bytes().startswith(b"\x89PNG")


def test_one_long_text_takes_the_room_of_one_long_text(tmp_path: Path) -> None:
    lines = [f"a box, number {number}" for number in range(500)]
    sizes = []
    for last in ("a boat", "boat " * 10_000):
        texts, out = tmp_path / "texts.txt", tmp_path / "rows.npz"
        texts.write_text("\n".join([*lines, last]), encoding="utf-8")
        line = ["embed", "demo", str(texts), "--texts", "--on-cut", "ignore", "--device", "cpu"]
        assert main([*line, "--out", str(out), "--force"]) == 0
        sizes.append(out.stat().st_size)
        with np.load(out) as written:
            assert names_in(written) == [*lines, last.strip()]
            assert {array.dtype.kind for array in written.values()} == {"f", "u", "i"}
    assert sizes[1] - sizes[0] < 60_000


def test_any_name_comes_back() -> None:
    names = ["", "a\nb\0", "caf\xe9 🍕", "photos/\udcff.png", "x" * 300]
    file = io.BytesIO()
    write_embeddings(file, np.zeros((5, 2), dtype=np.float32), names)
    file.seek(0)
    assert names_in(np.load(file)) == names


@pytest.mark.skipif(sys.platform != "linux", reason="speaks of a POSIX shell")
def test_embeddings_go_to_stdout_and_the_outcome_to_stderr() -> None:
    command = [sys.executable, "-m", "twinlens", "embed", "demo", IMAGE, "--device", "cpu"]
    done = subprocess.run([*command, "--out", "-", "--json"], capture_output=True, check=True)
    with np.load(io.BytesIO(done.stdout)) as written:
        assert written["embeddings"].shape == (1, 192)
        assert names_in(written) == [IMAGE]
    assert json.loads(done.stderr)["out"] == "-"


def test_embeddings_do_not_go_to_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    with pytest.raises(SystemExit, match="2"):
        main(["embed", "demo", IMAGE, "--out", "-"])
    assert "would fill the terminal" in capsys.readouterr().err
