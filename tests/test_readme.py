"""The README's example runs, and does as its comments say; its links lead somewhere."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def test_the_example_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "runtime").symlink_to(ROOT / "runtime")
    monkeypatch.chdir(tmp_path)
    readme = (ROOT / "README.md").read_text("utf-8")
    (first,) = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
    names: dict[str, object] = {}
    exec(first, names)
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].startswith("[[1]]"), "the pizza is something to eat"
    assert printed[-1] == "['dog']"


def test_every_link_leads_to_a_file() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    links = [link.split("#")[0] for link in re.findall(r"\]\(([^)]+)\)", readme)]
    assert len(links) > 15
    assert [link for link in links if link and not (ROOT / link).exists()] == []
