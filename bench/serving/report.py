"""Report of the log: results/serving.json, and its tables in bench/README.md."""

import json
import os
import subprocess
from typing import Final

from bench.harness import machine
from bench.harness.readme_tables import write_tables
from bench.harness.results_file import one_row_a_line, place_of
from bench.harness.results_log import Line, ResultsLog
from bench.serving.demands import demands
from bench.serving.figures import Figures
from bench.serving.tables import TABLES
from twinlens.threads import usable_threads
from twinlens_kernels import operators

PACKAGES: Final = (
    "twinlens", "onnxruntime", "numpy", "tokenizers", "pillow", "starlette", "uvicorn", "uvloop",
    "httptools", "msgspec", "fastapi", "litserve",
)  # fmt: skip
INFINITY_PACKAGES: Final = ("infinity-emb", "torch", "transformers", "sentence-transformers")


def report(log: ResultsLog, model: str, *, publish: bool) -> None:
    """Print the tables; with `publish`, write them and the JSON too."""
    figures = Figures(log, model)
    tables = {name: list(table(figures)) for name, table in TABLES.items()}
    if not publish:
        print("\n\n".join("\n".join(rows) for rows in tables.values()))
        return
    document = {
        "question": "latency, throughput and cost of services that embed images and texts",
        "commits": sorted({line["commit"] for line in figures.lines}),
        "processor": machine.processor(),
        "cores": usable_threads(),
        "instructions": operators.path(),
        "model": model,
        "versions": machine.versions(PACKAGES),
        "infinity": infinity_versions(),
        "demands": demands(figures),
        "results": [without_raw(line) for line in figures.lines],
    }
    place_of("serving", machine.processor()).write_text(one_row_a_line(document), encoding="utf-8")
    write_tables("serving", tables)


def without_raw(line: Line) -> Line:
    """Return a cell without its lists of single latencies but for their quantiles."""
    found = {key: value for key, value in line.items() if not key.endswith("_ms") or _short(value)}
    for key in ("served_ms", "tower_ms"):
        if key in line:
            times = line[key]
            parts = (len(times) // 2, int(0.99 * len(times)))
            found[key] = {"n": len(times), "p50": times[parts[0]], "p99": times[parts[1]]}
    return found


def _short(value: object) -> bool:
    return not isinstance(value, list)


def infinity_versions() -> dict[str, str]:
    """Return the versions in infinity's environment."""
    python = os.environ.get("INFINITY_PYTHON")
    if python is None:
        return {}
    code = (
        "import json, sys; from importlib.metadata import version; "
        "print(json.dumps({name: version(name) for name in sys.argv[1:]}))"
    )
    command = [python, "-c", code, *INFINITY_PACKAGES]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout))
