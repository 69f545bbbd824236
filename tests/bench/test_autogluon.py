"""The README's table of AutoGluon is that of the measured figures."""

import json
from pathlib import Path

from bench.autogluon.table import FILE, lines

ROOT = Path(__file__).parents[2]


def test_the_readme_has_the_measured_table() -> None:
    document = json.loads(FILE.read_text(encoding="utf-8"))
    table = "\n".join(lines(document))
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert table in readme, "python -m bench.autogluon.table prints it"
