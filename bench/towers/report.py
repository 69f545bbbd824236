"""Report of the log: results/towers.json, and the tables of bench/README.md on stdout."""

import os
import statistics
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np

from bench.harness import machine
from bench.harness.results_file import four_digits, one_row_a_line, place_of
from bench.harness.results_log import ResultsLog
from bench.harness.timing import median_ratio
from bench.towers.cases import BY_NAME, COMPARISONS, Case, items_of
from bench.towers.contenders import CONTENDERS, OURS, OURS_CUT, place
from bench.towers.flops import image_flops, text_flops
from bench.towers.inputs.captions import lengths
from bench.towers.inputs.shapes import SHAPES
from bench.towers.inputs.workspace import Workspace
from bench.towers.tables import printed

Line = dict[str, Any]

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
"""Part of a row's name, and the number format that it multiplies in; otherwise fp32."""
PRUNED: Final = ("twinlens", "our graph")


def report(log: ResultsLog, work: Path) -> None:
    """Write the JSON and print its tables."""
    document = {
        "question": "ms of an image or a text in each tower, beside everything users would pick",
        "commits": sorted({line["commit"] for line in log.lines}),
        "processor": machine.processor(),
        "versions": versions(),
        "caption_lengths": caption_lengths(work),
        "limits": limits_of(log),
        "accuracy": list(accuracy(log)),
        "cold_start": list(cold_starts(log)),
        "results": list(results(log, work)),
    }
    place = place_of("towers", machine.processor())
    place.write_text(one_row_a_line(document), encoding="utf-8")
    print("\n".join(printed(document)))


def results(log: ResultsLog, work: Path) -> Iterator[Line]:
    """Yield a row for each case and contender, comparisons and cases in their order."""
    peaks = limits_of(log)
    for comparison in COMPARISONS:
        workspace = Workspace(model=comparison.model, work=work)
        for name in comparison.cases:
            key = {"model": comparison.model, "threads": comparison.threads, "cell": name}
            found = {line["row"]: line for line in log.lines if key.items() <= line.items()}
            for row, line in sorted(found.items(), key=lambda pair: place(pair[0])):
                told = summary(line, found.get(OURS, found.get(OURS_CUT)), BY_NAME[name])
                done = flops_of(row, workspace, BY_NAME[name]) / told["ms"] / 1e6
                share = of_peak(row, done, peaks.get(str(comparison.threads)))
                yield key | {"row": row} | told | {"gop_s": round(done)} | share


def summary(line: Line, ours: Line | None, case: Case) -> Line:
    """Return ms an item over all calls, and the ratio to ours over the rounds."""
    calls = [ms for turn in line["wall_ms"] for ms in turn]
    found = {
        "ms": four_digits(statistics.median(calls) / case.batch),
        "p50_call_ms": four_digits(statistics.median(calls)),
        "p99_call_ms": four_digits(float(np.percentile(calls, 99))),
        "items_s": four_digits(1e3 * case.batch / statistics.median(calls)),
        "cpu_ms": four_digits(statistics.median(line["cpu_ms"]) / (case.batch * case.calls)),
        "rounds": len(line["wall_ms"]),
        "peak_mb": line["peak_mb"],
    }
    if ours is not None:
        theirs, mine = (list(map(sum, one["wall_ms"])) for one in (line, ours))
        both = min(len(theirs), len(mine))  # a slow row has fewer rounds
        found["times_ours"] = four_digits(median_ratio(theirs[:both], mine[:both]))
    return found


def flops_of(row: str, workspace: Workspace, case: Case) -> float:
    """Count one item; texts without padding, but for the padded rows."""
    shape, pruned = SHAPES[workspace.model], any(mark in row for mark in PRUNED)
    if case.what == "image":
        return image_flops(shape, pruned=pruned)
    asked = case.batch * case.calls
    tokens = map(len, items_of(workspace, case, padded="padded" in row)[:asked])
    return statistics.mean(text_flops(shape, count, pruned=pruned) for count in tokens)


def of_peak(row: str, gop_s: float, peaks: Line | None) -> Line:
    """Return the share of the best product in the format that the row computes in."""
    if peaks is None:
        return {}
    form = next((form for mark, form in FORMATS if mark in row), "fp32")
    return {"peak_of": form, "of_peak": round(gop_s / max(peaks[form].values()), 3)}


def limits_of(log: ResultsLog) -> dict[str, Line]:
    return {
        str(line["limits_of_threads"]): {form: line[form] for form in ("fp32", "bf16", "int8")}
        for line in log.lines
        if "limits_of_threads" in line
    }


def accuracy(log: ResultsLog) -> Iterator[Line]:
    for line in sorted(log.lines, key=in_order):
        if "judged" in line:
            modalities = {
                modality: {
                    "worst_cosine": round(min(line[modality]["worst_cosine"], 1.0), 6),
                    "mean_cosine": round(min(line[modality]["mean_cosine"], 1.0), 6),
                    "moved_by_batch": four_digits(line[modality]["moved_by_batch"]),
                    "items": line[modality]["items"],
                }
                for modality in ("image", "text")
                if modality in line
            }
            yield {"model": line["model"], "row": line["judged"]} | modalities


def cold_starts(log: ResultsLog) -> Iterator[Line]:
    """Yield the medians of the rounds of each contender."""
    lines = sorted((line for line in log.lines if "cold" in line), key=in_order)
    (first, *_) = [line["rows"] for line in lines if line["cold"] == "transformers eager"] or [None]
    for name in dict.fromkeys(line["cold"] for line in lines):
        rounds = [line for line in lines if line["cold"] == name]
        figures = ("wall_s", "cpu_s", "peak_mb", "now_mb", "own_mb")
        found = {
            key: four_digits(statistics.median(line[key] for line in rounds)) for key in figures
        }
        cosines = [float(np.dot(a, b)) for a, b in zip(rounds[0]["rows"], first or [], strict=True)]
        yield (
            {"row": name, "rounds": len(rounds)}
            | found
            | {"cosines": [round(min(cosine, 1.0), 5) for cosine in cosines]}
        )


def caption_lengths(work: Path) -> dict[str, int]:
    return lengths(Workspace(model="B32", work=work).caption_ids())


def in_order(line: Line) -> tuple[str, float]:
    """Return the sort key of a line: its model, then the order of the contenders."""
    name = line.get("judged", line.get("cold"))
    return str(line.get("model")), place(name) if name else -1.0


def versions() -> dict[str, str]:
    """Return our versions, and those of contenders in interpreters of their own."""
    found = machine.versions(PACKAGES)
    for contender in CONTENDERS:
        if contender.python and (python := os.environ.get(contender.python)):
            asked = f"import importlib.metadata as m; print(m.version('{contender.name}'))"
            told = subprocess.run([python, "-c", asked], capture_output=True, text=True, check=True)
            found[contender.name] = told.stdout.strip()
    return found
