"""The folder of a bundle: complete or absent, and nothing of others replaced."""

import subprocess
import sys
from pathlib import Path

import pytest

from twinlens.bundle.bundle import MANIFEST, open_bundle
from twinlens.errors import BundleError
from twinlens_export.bundle_folder import clear_remains, new_folder, require_free
from twinlens_export.errors import ExportError

KILLED = """
import os, pathlib, sys
from twinlens_export.bundle_folder import new_folder
with new_folder(pathlib.Path(sys.argv[1])) as folder:
    (folder / "onnx").mkdir()
    (folder / "onnx" / "vision_model.onnx").write_bytes(b"half a pro")
    os._exit(9)
"""


def everything_below(folder: Path) -> list[Path]:
    return [folder, *(path for path in folder.rglob("*") if path.is_dir())]


def test_a_folder_appears_when_it_is_whole(tmp_path: Path) -> None:
    out = tmp_path / "deep" / "out"
    with new_folder(out) as folder:
        (folder / "a").write_text("a")
        assert not out.exists()
    assert (out / "a").read_text() == "a"
    assert list(out.parent.iterdir()) == [out]


def test_a_failure_leaves_nothing(tmp_path: Path) -> None:
    def interrupted() -> None:
        with new_folder(tmp_path / "out") as folder:
            (folder / "a").write_text("a")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert not list(tmp_path.iterdir())


def test_a_killed_export_leaves_nothing_that_opens(tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = subprocess.run([sys.executable, "-c", KILLED, str(out)], check=False)
    assert done.returncode == 9
    assert not out.exists()
    for folder in everything_below(tmp_path):
        with pytest.raises(BundleError):
            open_bundle(folder)
    with new_folder(out) as folder:  # the remains are not in the way
        (folder / "a").write_text("a")
    assert (out / "a").exists()


def test_what_was_there_is_replaced_whole(tmp_path: Path) -> None:
    (tmp_path / "old").write_text("old")
    out = tmp_path / "out"
    for name in ("first", "second"):
        with new_folder(out) as folder:
            (folder / name).write_text(name)
    assert [path.name for path in out.iterdir()] == ["second"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["old", "out"]


def test_a_place_is_free_if_it_is_empty_or_not_there(tmp_path: Path) -> None:
    require_free(tmp_path / "out", force=False)
    (tmp_path / "out").mkdir()
    require_free(tmp_path / "out", force=False)


@pytest.mark.parametrize("force", [False, True])
def test_a_folder_that_is_no_bundle_is_never_replaced(force: bool, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("...")
    with pytest.raises(ExportError, match="exists and is not a bundle, so it is left alone"):
        require_free(tmp_path, force=force)


def test_a_file_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / MANIFEST).write_text("{}")
    with pytest.raises(ExportError, match="left alone"):
        require_free(tmp_path / MANIFEST, force=True)


RUNNING = """
import pathlib, sys
from twinlens_export.bundle_folder import new_folder
with new_folder(pathlib.Path(sys.argv[1])) as folder:
    print(folder.name, flush=True)
    sys.stdin.read()
"""
MOVED_ASIDE = """
import os, pathlib, sys
from twinlens_export import bundle_folder
with bundle_folder.new_folder(pathlib.Path(sys.argv[1])) as folder:
    (folder / "new").write_text("new")
    pathlib.Path.rename = lambda path, to: os.rename(path, to) or os._exit(9)
"""


@pytest.mark.parametrize("n_killed", [1, 3])
def test_the_next_export_removes_the_drafts_of_killed_ones(
    n_killed: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    out = tmp_path / "out"
    for number in range(n_killed):
        subprocess.run([sys.executable, "-c", KILLED, str(out)], check=False)
        if number:  # each export has removed the one before
            assert len(list(tmp_path.glob(".out.draft*"))) == 1
    with new_folder(out) as folder:
        (folder / "a").write_text("a")
    assert list(tmp_path.iterdir()) == [out]
    assert "is removed: a killed export had left it" in caplog.text


def test_the_draft_of_an_export_that_runs_is_left_alone(tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = [sys.executable, "-c", RUNNING, str(out)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdin is not None
        assert other.stdout is not None
        name = other.stdout.readline().strip()
        (tmp_path / name / "theirs").write_text("theirs")
        with new_folder(out) as folder:
            (folder / "ours").write_text("ours")
            assert folder.name != name
        assert (tmp_path / name / "theirs").exists()
        assert (out / "ours").exists()
        other.stdin.close()
        assert other.wait() == 0
    assert [path.name for path in out.iterdir()] == ["theirs"]  # the later one replaces it
    assert list(tmp_path.iterdir()) == [out]


def test_a_bundle_that_a_killed_export_moved_aside_comes_back(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "first").write_text("first")
    done = subprocess.run([sys.executable, "-c", MOVED_ASIDE, str(out)], check=False)
    assert done.returncode == 9
    assert not out.exists()
    clear_remains(out)
    assert [path.name for path in out.iterdir()] == ["first"]
    assert list(tmp_path.iterdir()) == [out]


def test_folders_of_others_beside_it_stay(tmp_path: Path) -> None:
    names = [".out.drafts", ".out.draft", ".other.draft0", ".out.draft0.backup", "out.draft0"]
    for name in names:
        (tmp_path / name).mkdir()
    with new_folder(tmp_path / "out") as folder:
        (folder / "a").write_text("a")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*names, "out"])


def test_a_place_below_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with (
        pytest.raises(ExportError, match=r"no folder can be made beside .*file.*; give a place"),
        new_folder(tmp_path / "file" / "out"),
    ):
        pass
