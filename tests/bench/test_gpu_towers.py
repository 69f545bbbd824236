"""The check of towers that a GPU's owner runs: that the script works, on the CPU provider."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_check_of_towers_on_a_gpu_runs_small_on_the_cpu(tmp_path: Path) -> None:
    out = tmp_path / "figures.json"
    module = [sys.executable, "-m", "bench.gpu.towers"]
    command = [*module, "--device", "cpu", "--small", "--out", str(out)]
    run = subprocess.run(command, check=False, capture_output=True, text=True, cwd=ROOT)
    assert run.returncode == 0, run.stdout + run.stderr
    figures = json.loads(out.read_text(encoding="utf-8"))
    judged = [line for line in figures["correctness"] if "worst_cosine" in line]
    assert {(line["tower"], line["precision"], line["batch"]) for line in judged} == {
        (tower, precision, batch)
        for tower in ("image", "text")
        for precision in ("fp32", "fp16")
        for batch in (1, 2, 5)
    }
    assert all(
        line["right"] and line["worst_cosine"] > line["cosine_of_strangers"] for line in judged
    )
    ours = [line for line in figures["speeds"] if line.get("contender") == "twinlens fp16"]
    assert {(line["tower"], line["batch"]) for line in ours} == {
        ("image", 1), ("image", 4), ("text", 1), ("text", 4)
    }  # fmt: skip
    assert all(line["error"] < 5e-4 and line["ms"] > 0 and line["of_peak"] > 0 for line in ours)
    assert all("torch eager fp16" in line["times_faster_than"] for line in figures["times_faster"])
