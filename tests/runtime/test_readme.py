"""The README's example runs, and does what its comments say."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def test_the_example_runs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    (example,) = re.findall(r"```python\n(.*?)```", Path("README.md").read_text("utf-8"), re.DOTALL)
    names: dict[str, object] = {}
    exec(example, names)
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].startswith("[[1]]"), "the pizza is something to eat"
    assert printed[-1] == "['dog']"
