"""The fault campaigns: planted faults are found, and every campaign runs small."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
CAMPAIGNS = ("bundles", "images", "tables", "graphs", "forks", "memory_limits")


def campaign(*arguments: object, out: Path) -> tuple[int, dict[str, Any]]:
    """Run `python -m bench.faults`; return its exit status and its figures."""
    command = [sys.executable, "-m", "bench.faults", *map(str, arguments), "--out", str(out)]
    run = subprocess.run(command, check=False, capture_output=True, text=True, cwd=ROOT)
    assert run.returncode in (0, 1), run.stdout + run.stderr
    return run.returncode, json.loads(out.read_text(encoding="utf-8"))


def test_each_kind_of_planted_fault_is_found_with_its_place(tmp_path: Path) -> None:
    status, figures = campaign("planted", "--deadline-s", 3, out=tmp_path / "figures.json")
    assert status == 1
    found = {line["kind"]: line["fault"] for line in figures["faults"]}
    assert found == {
        "raises": "foreign KeyError",
        "changes": "changed answer",
        "hangs": "hang",
        "crashes": "died of SIGSEGV",
        "exits": "died of exit 7",
        "reports": "sanitizer: signed integer overflow: N + N",
    }
    places = {line["kind"]: line["place"] for line in figures["faults"]}
    assert places["hangs"].startswith("planted.py:")
    assert places["reports"] == "src/planted.hpp:7"
    (row,) = figures["campaigns"]
    assert row["outcomes"]["answer"] == 3  # answers, reports, leaks
    assert row["outcomes"]["ValueError"] == 1  # a refusal is a right answer
    assert row["faulty"] == len(found)
    assert not row["flat"]  # of the leak
    assert row["workers"] == 4  # the first, and one after each that was lost


def test_a_faulty_input_is_kept_and_runs_again(tmp_path: Path) -> None:
    out = tmp_path / "figures.json"
    _, figures = campaign("planted", "--seed", 5, "--count", 4, out=out)
    line = next(line for line in figures["faults"] if line["kind"] == "raises")
    assert line["command"] == "python -m bench.faults planted --seed 5 --case 2"
    kept = ROOT / "build" / "bench-faults" / "kept"
    assert len((kept / "planted-5-2" / "bytes").read_bytes()) == 8
    assert json.loads((kept / "planted-5-2.json").read_text())["fault"] == "foreign KeyError"
    status, again = campaign("planted", "--seed", 5, "--case", 2, out=out)
    assert status == 1
    assert [line["fault"] for line in again["faults"]] == ["foreign KeyError"]


def test_a_run_without_faults_exits_0(tmp_path: Path) -> None:
    status, figures = campaign("planted", "--count", 2, out=tmp_path / "figures.json")
    assert (status, figures["faults"]) == (0, [])


def test_a_case_is_the_same_in_every_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT)
    from bench.faults.campaign import rng_of  # noqa: PLC0415

    assert rng_of("images", 0, 7).random() == 0.5692038782456355
    assert rng_of("images", 1, 7).random() != rng_of("images", 0, 7).random()


@pytest.mark.parametrize("name", CAMPAIGNS)
def test_every_campaign_runs_small(name: str, tmp_path: Path) -> None:
    _, figures = campaign(name, "--small", out=tmp_path / "figures.json")
    (row,) = figures["campaigns"]
    assert sum(row["outcomes"].values()) == row["cases"] > 0
    assert row["resident_mb"]["first_tenth"] > 0
    assert figures["deadline_s"] == 2.0
