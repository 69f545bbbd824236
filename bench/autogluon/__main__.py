"""AutoGluon beside twinlens on the same weights, in one run, each in processes of its own.

    PYTHONPATH=export python -m bench.autogluon --work FOLDER --python PYTHON
        --model NAME CHECKPOINT BUNDLE [--model ...]

FOLDER holds the drawings of the demo model's acts; PYTHON is an interpreter with
`pip install autogluon.multimodal`. Each model is a checkpoint and the bundle that was exported from
it; a run keeps the rows of other models. Probabilities are judged for the model named "demo": one
random wrong name to each right one, on drawings by a hand that it never saw, and among them on the
concepts that it never saw.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from bench.autogluon.drawings import write_items
from bench.autogluon.items import Items
from bench.autogluon.worker import IMAGES, PAIRS, TEXTS
from bench.harness.arguments import parser_of
from bench.harness.machine import commit, processor
from bench.harness.paths import ROOT
from bench.harness.processes import worker_environment
from bench.harness.results_file import one_row_a_line, place_of
from twinlens.metrics import reliability

DEMO: Final = "demo"
THREADS: Final = 2
STARTS: Final = 3
DISTRIBUTIONS: Final = {"autogluon": ("autogluon.multimodal",), "twinlens": ("twinlens", "cpu")}
Facts = dict[str, Any]


def measured(side: str, python: str, items: Path, place: Path, *, whole: bool) -> Facts:
    """Run a worker: its time and memory at the first pair, and all the rest if it is wanted."""
    command = [python, "-W", "ignore", "-m", "bench.autogluon.worker", side, items, place]
    environment = worker_environment(THREADS, {"PYTHONPATH": _path_of(side)})
    begun = time.perf_counter()
    with subprocess.Popen(
        [str(part) for part in command],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        first = {"first_pair_s": time.perf_counter() - begun, **json.loads(line or "{}")}
        if not whole:
            process.terminate()
            return first
        rest = json.loads(process.stdout.readline() or "{}")
    if not rest:
        raise RuntimeError(f"{side} failed on {place}; run the worker by hand: {command}")
    return {**first, **rest}


def _path_of(side: str) -> str:
    """Return PYTHONPATH: AutoGluon's interpreter must find bench alone."""
    return str(ROOT) if side == "autogluon" else os.environ.get("PYTHONPATH", "")


def disk(side: str, python: str) -> Facts:
    command = [python, "-m", "bench.autogluon.disk", *DISTRIBUTIONS[side]]
    done = subprocess.run(
        command, cwd=ROOT, check=True, capture_output=True, text=True, env=worker_environment(2)
    )
    found: Facts = json.loads(done.stdout)
    return found


def judged(told: Mapping[str, Sequence[float]], items: Items) -> Iterator[Facts]:
    """Yield by way of telling the ECE and the accuracy, of known and of unseen concepts."""
    labels = np.arange(2 * len(items.judged)) < len(items.judged)
    unseen = np.tile([items.unseen[place] for place in items.judged], 2)
    for way, values in told.items():
        probabilities = np.asarray(values)
        row: Facts = {"probability": way}
        for name, chosen in (("known", ~unseen), ("unseen", unseen)):
            kept, truth = probabilities[chosen], labels[chosen]
            row |= {
                f"pairs_{name}": int(chosen.sum()),
                f"ece_{name}": round(reliability.ece(kept, truth), 4),
                f"accuracy_{name}": round(float(((kept >= 0.5) == truth).mean()), 4),
            }
        yield row


def sides(
    options: argparse.Namespace, checkpoint: Path, bundle: Path
) -> Iterator[tuple[str, str, Path]]:
    yield "autogluon", options.python, checkpoint
    yield "twinlens", sys.executable, bundle


def rows(options: argparse.Namespace, folder: Path) -> Iterator[tuple[Facts, list[Facts]]]:
    """Yield the row of each model and side, and its probabilities."""
    for name, checkpoint, bundle in options.model:
        place = folder / name
        items = write_items(options.work, place, judged=name == DEMO)
        for side, python, source in sides(options, Path(checkpoint), Path(bundle)):
            found = measured(side, python, place, source.resolve(), whole=True)
            starts = [found]
            starts += [
                measured(side, python, place, source.resolve(), whole=False)
                for _ in range(STARTS - 1)
            ]
            for field in ("first_pair_s", "first_pair_cpu_s"):
                found[field] = statistics.median(start[field] for start in starts)
            told = found.pop("probabilities")
            numbers = {key: round(value, 3) for key, value in found.items()}
            yield (
                {"model": name, "side": side, **numbers},
                [{"model": name, "side": side, **row} for row in judged(told, items)],
            )


def main() -> None:
    parser = parser_of("bench.autogluon", __doc__)
    parser.add_argument("--work", type=Path, required=True, help="where the drawings are")
    parser.add_argument("--python", required=True, help="an interpreter with AutoGluon")
    parser.add_argument(
        "--model", nargs=3, action="append", required=True, metavar=("NAME", "CHECKPOINT", "BUNDLE")
    )
    parser.add_argument("--out", type=Path, default=place_of("autogluon", processor()))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = list(rows(options, Path(folder)))
    before: Facts = {}
    if options.out.exists():
        before = json.loads(options.out.read_text(encoding="utf-8"))
    names = {name for name, _, _ in options.model}

    def kept(table: str) -> list[Facts]:
        """Return the rows of the models that an earlier run measured on this processor."""
        same = before.get("processor") == processor()
        return [row for row in before.get(table, []) if same and row["model"] not in names]

    document = {
        "question": "AutoGluon beside twinlens on the same weights: first pair, items, calibration",
        "commit": commit(),
        "processor": processor(),
        "threads": THREADS,
        "load_average": round(os.getloadavg()[1], 1),
        "items": {"images": IMAGES, "texts": TEXTS, "pairs": PAIRS},
        "installed": {
            side: disk(side, python)
            for side, python in (("autogluon", options.python), ("twinlens", sys.executable))
        },
        "speeds": [*kept("speeds"), *(row for row, _ in found)],
        "probabilities": [*kept("probabilities"), *(row for _, told in found for row in told)],
    }
    options.out.write_text(one_row_a_line(document), encoding="utf-8")
    print(one_row_a_line(document))


if __name__ == "__main__":
    main()
