"""The README's table of AutoGluon is that of the measured figures."""

import json
from pathlib import Path

from bench.harness.paths import RESULTS
from bench.record.autogluon import autogluon
from bench.record.gather import read_ledger
from bench.record.sources.autogluon import QUIET, cells
from bench.record.tables import Figures

ROOT = Path(__file__).parents[2]
DOCUMENT = json.loads((RESULTS / "autogluon.json").read_text(encoding="utf-8"))


def test_the_readme_has_the_measured_table() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    table = "\n".join(autogluon(Figures(read_ledger())))
    assert table in readme, "python -m bench.record writes it"
    for row in DOCUMENT["probabilities"]:
        assert f"{row['ece_unseen']:.2f}, {row['accuracy_unseen']:.0%}" in table
    for side in DOCUMENT["installed"].values():
        assert f"{side['packages']}, {side['mb']:,}" in table


def test_times_by_the_clock_are_published_of_a_quiet_machine_alone() -> None:
    busy = {column for _, _, column, _ in cells(DOCUMENT | {"load_average": 2 * QUIET})}
    quiet = {column for _, _, column, _ in cells(DOCUMENT | {"load_average": QUIET})}
    assert {column.removesuffix(", s") for column in quiet - busy} == {
        column.removesuffix(", CPU s") for column in busy if column.endswith(", CPU s")
    }
