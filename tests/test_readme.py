"""The README's example runs, and does what its comments say."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def test_the_examples_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "runtime").symlink_to(ROOT / "runtime")
    monkeypatch.chdir(tmp_path)
    readme = (ROOT / "README.md").read_text("utf-8")
    first, second = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
    names: dict[str, object] = {}
    exec(first, names)
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].startswith("[[1]]"), "the pizza is something to eat"
    assert printed[-1] == "['dog']"
    exec(second, names)
    assert "1f436.png" in capsys.readouterr().out
