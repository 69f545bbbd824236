"""What the ledger holds as results/towers.json, and the tables of bench/README.md on stdout."""

import importlib.metadata
import json
import os
import platform
import statistics
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np

from bench.towers.cases import BY_NAME, FIELDS, Cell, items_of
from bench.towers.contenders import CONTENDERS, OURS, OURS_CUT, place
from bench.towers.flops import image_operations, text_operations
from bench.towers.inputs.captions import lengths
from bench.towers.inputs.models import SHAPES
from bench.towers.inputs.workspace import Ground
from bench.towers.ledger import Ledger
from bench.towers.tables import printed

Line = dict[str, Any]

RESULTS: Final = Path(__file__).parents[1] / "results" / "towers.json"
PACKAGES: Final = (
    "numpy",
    "nncf",
    "onnxruntime",
    "openvino",
    "sentence-transformers",
    "torch",
    "transformers",
)
FORMATS: Final = (
    ("int8", "int8"),
    ("bf16", "bf16"),
    ("quantize_dynamic", "int8"),
    ("intel", "bf16"),
)
"""What a row's name tells of the numbers that it multiplies; otherwise fp32."""
PRUNED: Final = ("twinlens", "our graph")


def report(ledger: Ledger, work: Path) -> None:
    """Write the JSON and print its tables."""
    document = {
        "question": "ms of an image or a text in each tower, beside everything users would pick",
        "commits": sorted({line["commit"] for line in ledger.lines}),
        "processor": processor(),
        "versions": versions(),
        "caption_lengths": caption_lengths(work),
        "limits": limits_of(ledger),
        "accuracy": list(accuracy(ledger)),
        "cold_start": list(cold_starts(ledger)),
        "results": list(results(ledger, work)),
    }
    RESULTS.write_text(one_a_line(document), encoding="utf-8")
    print("\n".join(printed(document)))


def results(ledger: Ledger, work: Path) -> Iterator[Line]:
    """A row for each cell and contender, fields and cells in their order."""
    peaks = limits_of(ledger)
    for field in FIELDS:
        ground = Ground(model=field.model, work=work)
        for name in field.cells:
            key = {"model": field.model, "threads": field.threads, "cell": name}
            found = {line["row"]: line for line in ledger.lines if key.items() <= line.items()}
            for row, line in sorted(found.items(), key=lambda pair: place(pair[0])):
                told = summary(line, found.get(OURS, found.get(OURS_CUT)), BY_NAME[name])
                done = operations(row, ground, BY_NAME[name]) / told["ms"] / 1e6
                share = of_peak(row, done, peaks.get(str(field.threads)))
                yield key | {"row": row} | told | {"gop_s": round(done)} | share


def summary(line: Line, ours: Line | None, cell: Cell) -> Line:
    """Of all calls: ms an item; of the rounds: the ratio to ours."""
    calls = [ms for turn in line["wall_ms"] for ms in turn]
    found = {
        "ms": rounded(statistics.median(calls) / cell.batch),
        "p50_call_ms": rounded(statistics.median(calls)),
        "p99_call_ms": rounded(float(np.percentile(calls, 99))),
        "items_s": rounded(1e3 * cell.batch / statistics.median(calls)),
        "cpu_ms": rounded(statistics.median(line["cpu_ms"]) / (cell.batch * cell.calls)),
        "rounds": len(line["wall_ms"]),
        "peak_mb": line["peak_mb"],
    }
    if ours is not None:
        pairs = zip(line["wall_ms"], ours["wall_ms"], strict=False)
        ratio = statistics.median(sum(theirs) / sum(mine) for theirs, mine in pairs)
        found["times_ours"] = rounded(ratio)
    return found


def operations(row: str, ground: Ground, cell: Cell) -> float:
    """Of one item; of texts as they are, without padding, where nothing else is said."""
    shape, pruned = SHAPES[ground.model], any(mark in row for mark in PRUNED)
    if cell.what == "image":
        return image_operations(shape, pruned=pruned)
    asked = cell.batch * cell.calls
    tokens = map(len, items_of(ground, cell, padded="padded" in row)[:asked])
    return statistics.mean(text_operations(shape, count, pruned=pruned) for count in tokens)


def of_peak(row: str, gop_s: float, peaks: Line | None) -> Line:
    """The share of the best product in the format that the row computes in."""
    if peaks is None:
        return {}
    form = next((form for mark, form in FORMATS if mark in row), "fp32")
    return {"peak_of": form, "of_peak": round(gop_s / max(peaks[form].values()), 3)}


def limits_of(ledger: Ledger) -> dict[str, Line]:
    return {
        str(line["limits_of_threads"]): {form: line[form] for form in ("fp32", "bf16", "int8")}
        for line in ledger.lines
        if "limits_of_threads" in line
    }


def accuracy(ledger: Ledger) -> Iterator[Line]:
    for line in sorted(ledger.lines, key=in_order):
        if "judged" in line:
            sides = {
                side: {
                    "worst_cosine": round(min(line[side]["worst_cosine"], 1.0), 6),
                    "mean_cosine": round(min(line[side]["mean_cosine"], 1.0), 6),
                    "moved_by_batch": rounded(line[side]["moved_by_batch"]),
                    "items": line[side]["items"],
                }
                for side in ("image", "text")
                if side in line
            }
            yield {"model": line["model"], "row": line["judged"]} | sides


def cold_starts(ledger: Ledger) -> Iterator[Line]:
    """Medians of the rounds."""
    lines = sorted((line for line in ledger.lines if "cold" in line), key=in_order)
    (first, *_) = [line["rows"] for line in lines if line["cold"] == "transformers eager"] or [None]
    for name in dict.fromkeys(line["cold"] for line in lines):
        rounds = [line for line in lines if line["cold"] == name]
        figures = ("wall_s", "cpu_s", "peak_mb", "now_mb", "own_mb")
        found = {key: rounded(statistics.median(line[key] for line in rounds)) for key in figures}
        cosines = [float(np.dot(a, b)) for a, b in zip(rounds[0]["rows"], first or [], strict=True)]
        yield (
            {"row": name, "rounds": len(rounds)}
            | found
            | {"cosines": [round(min(cosine, 1.0), 5) for cosine in cosines]}
        )


def caption_lengths(work: Path) -> dict[str, int]:
    return lengths(Ground(model="B32", work=work).caption_ids())


def in_order(line: Line) -> tuple[str, float]:
    """By model, and as the contenders are listed."""
    name = line.get("judged", line.get("cold"))
    return str(line.get("model")), place(name) if name else -1.0


def rounded(value: float) -> float:
    """Four digits that count."""
    return float(f"{value:.4g}")


def one_a_line(document: Line) -> str:
    """JSON with one row a line, so that a diff shows which changed."""
    parts = []
    for name, value in document.items():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            inner = ",\n  ".join(json.dumps(item) for item in value)
            parts.append(f"{json.dumps(name)}: [\n  {inner}\n ]")
        else:
            parts.append(f"{json.dumps(name)}: {json.dumps(value)}")
    return "{\n " + ",\n ".join(parts) + "\n}\n"


def versions() -> dict[str, str]:
    found = {name: importlib.metadata.version(name) for name in PACKAGES}
    found["python"] = platform.python_version()
    for contender in CONTENDERS:
        if contender.python and (python := os.environ.get(contender.python)):
            asked = f"import importlib.metadata as m; print(m.version('{contender.name}'))"
            told = subprocess.run([python, "-c", asked], capture_output=True, text=True, check=True)
            found[contender.name] = told.stdout.strip()
    return found


def processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor()
