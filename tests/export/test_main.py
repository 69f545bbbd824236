"""The command line twinlens-export."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from twinlens_export.__main__ import main
from twinlens_export.verification.samples import SampleFiles


def test_a_table_is_printed(
    folders: Callable[[str], Path],
    sample_files: SampleFiles,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "out"
    arguments = [folders("demo"), out, "--precision", "fp32", "--images", sample_files.images]
    assert main([str(part) for part in (*arguments, "--texts", sample_files.texts)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[:3] == ["precision", "tower", "MB"]
    assert lines[0].endswith("top-1  top-10  kept in fp32  ms, one  ms, of 8")
    assert [line.split()[:2] for line in lines[1:3]] == [["fp32", "image"], ["fp32", "text"]]
    assert all(float(line.split()[-2]) > 0 for line in lines[1:3])
    assert lines[3] == str(out)


def test_an_error_is_one_line_and_exit_code_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tmp_path / "nowhere"), str(tmp_path / "out")]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert said.err.startswith("twinlens-export: ")
    assert "nowhere has no readable configuration" in said.err


@pytest.mark.parametrize("name", ["b" * 50_000, "x\x1b[31m\ny"], ids=["long", "odd"])
def test_a_message_is_one_short_line_whatever_is_given(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([name, str(tmp_path / "out")]) == 1
    said = capsys.readouterr().err
    assert said.removesuffix("\n").isprintable()
    assert len(said) < 600


def test_misuse_is_exit_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["checkpoint", "out", "--precision", "int4"])
    assert "invalid choice: 'int4'" in capsys.readouterr().err


def test_help_needs_none_of_the_heavy_libraries() -> None:
    code = (
        "import sys; sys.modules.update(dict.fromkeys(('torch', 'transformers', 'onnx')))\n"
        "from twinlens_export.__main__ import main\nmain(['--help'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "CHECKPOINT" in done.stdout.upper()


def test_without_the_extra_the_cure_is_named(tmp_path: Path) -> None:
    code = (
        "import sys, importlib.abc\n"
        "class Absent(importlib.abc.MetaPathFinder):\n"
        "    def find_spec(self, name, path, target=None):\n"
        "        if name == 'torch': raise ModuleNotFoundError('absent', name=name)\n"
        "sys.meta_path.insert(0, Absent())\n"
        "from twinlens_export.__main__ import main\n"
        "sys.exit(main(['checkpoint', sys.argv[1]]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "out")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "torch is not installed; run: pip install 'twinlens[cpu,export]'" in done.stderr
