"""The checks that a GPU's owner runs: that the scripts themselves work, on the CPU provider."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_check_of_search_on_a_gpu_runs_small_on_the_cpu(tmp_path: Path) -> None:
    out = tmp_path / "figures.json"
    module = [sys.executable, "-m", "bench.gpu.search"]
    command = [*module, "--device", "cpu", "--small", "--out", str(out)]
    run = subprocess.run(command, check=False, capture_output=True, text=True, cwd=ROOT)
    assert run.returncode == 0, run.stdout + run.stderr
    figures = json.loads(out.read_text(encoding="utf-8"))
    assert [case["wrong_ids"] for case in figures["correctness"]] == [0] * 8
    ours = [line for line in figures["speeds"] if line["contender"] == "twinlens"]
    assert {(line["queries"], line["k"]) for line in ours} == {
        (1, 10),
        (1, 100),
        (16, 10),
        (16, 100),
    }
    assert all(line["recall"] == 1 and line["ms"] > 0 for line in ours)
