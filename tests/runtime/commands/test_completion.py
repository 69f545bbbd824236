"""Completion by the shell, where shtab is installed."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from twinlens.__main__ import main

pytest.importorskip("shtab")
BASH = shutil.which("bash")


@pytest.mark.skipif(BASH is None, reason="there is no bash")
@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["twinlens", "eva"], {"evaluate"}),
        (["twinlens", "embed", "--on"], {"--on-cut"}),
        (["twinlens", "embed", "--pixels", ""], {"exact", "fast"}),
        (["twinlens", "info", "pho"], {"photos"}),
    ],
)
def test_bash_completes(
    words: list[str], found: set[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "photos").mkdir()
    with pytest.raises(SystemExit, match="0"):
        main(["--print-completion", "bash"])
    script = tmp_path / "completion.bash"
    script.write_text(capsys.readouterr().out, encoding="utf-8")
    line = " ".join(f"'{word}'" for word in words)
    code = (
        f"source {script}; COMP_WORDS=({line}); COMP_CWORD={len(words) - 1}\n"
        "_shtab_twinlens; printf '%s\\n' \"${COMPREPLY[@]}\""
    )
    assert BASH is not None
    done = subprocess.run(
        [BASH, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert {word.strip().rstrip("/") for word in done.stdout.splitlines()} == found


@pytest.mark.parametrize("shell", ["zsh", "tcsh"])
def test_other_shells_have_a_script(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["--print-completion", shell])
    assert "evaluate" in capsys.readouterr().out


def test_without_shtab_the_cure_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "shtab", None)
    with pytest.raises(SystemExit, match="1"):
        main(["--print-completion", "bash"])
    assert "pip install 'twinlens[completion]'" in capsys.readouterr().err
