"""Time an image or a text in each tower, beside everything that users would pick.

    python -m bench.towers prepare [--models B32 B16 L14]   checkpoints, graphs, int8 by nncf
    python -m bench.towers run [--models ...] [--threads ...] [--cases ...] [--contenders ...]
    python -m bench.towers accuracy                      cosines with the original, batch mates
    python -m bench.towers cold                          from nothing to the first embeddings
    python -m bench.towers limits                        the best matrix products of the machine
    python -m bench.towers report                        results/towers.json, and its tables

Every contender has a process of its own, and all are asked in turn, round by round. Each case is
appended to FOLDER/ledger.jsonl (--work FOLDER) when it is measured: --stop-after SECONDS cuts a
run, and the next one goes on. Nothing else should run beside `run`, `cold` and `limits`.
"""

import argparse
import importlib
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from bench.harness.arguments import parser_of
from bench.harness.paths import BUILD
from bench.harness.results_log import ResultsLog
from bench.towers.cases import BY_NAME, COMPARISONS, Comparison
from bench.towers.contenders import CONTENDERS
from bench.towers.inputs.workspace import Workspace

WORK: Final = BUILD / "bench-towers"


def chosen(options: argparse.Namespace) -> list[Comparison]:
    return [
        comparison
        for comparison in COMPARISONS
        if comparison.model in options.models and comparison.threads in options.threads
    ]


# Each act imports what it needs: openvino, torch and transformers take seconds.


def prepare(options: argparse.Namespace, _: ResultsLog) -> None:
    act = importlib.import_module("bench.towers.inputs.prepare").prepare
    for model in options.models:
        comparisons = [comparison for comparison in COMPARISONS if comparison.model == model]
        contenders = [one for comparison in comparisons for one in comparison.contenders()]
        kinds = {contender.graphs for contender in contenders if contender.interpreter()}
        modalities = sorted({one for comparison in comparisons for one in comparison.modalities})
        act(Workspace(model=model, work=options.work), kinds, modalities)


def run(options: argparse.Namespace, log: ResultsLog) -> None:
    timing = importlib.import_module("bench.towers.timing")
    for comparison in chosen(options):
        if time.monotonic() < options.until:
            timing.ComparisonRun(
                comparison=comparison,
                workspace=Workspace(model=comparison.model, work=options.work),
                cases=[BY_NAME[name] for name in comparison.cases if name in options.cases],
                names=options.contenders,
            ).measure(log, options.until)


def accuracy(options: argparse.Namespace, log: ResultsLog) -> None:
    act = importlib.import_module("bench.towers.accuracy").measure_accuracy
    for comparison in chosen(options):
        workspace = Workspace(model=comparison.model, work=options.work)
        act(comparison, workspace, options.contenders, log)


def cold(options: argparse.Namespace, log: ResultsLog) -> None:
    act = importlib.import_module("bench.towers.cold").measure_cold_starts
    workspace = Workspace(model="B32", work=options.work)
    act(workspace, options.contenders, max(options.threads), log, options.until)


def limits(options: argparse.Namespace, log: ResultsLog) -> None:
    for threads in options.threads:
        importlib.import_module("bench.towers.limits").measure_limits(threads, log)


def report(options: argparse.Namespace, log: ResultsLog) -> None:
    importlib.import_module("bench.towers.report").report(log, options.work)


ACTS: Final[Mapping[str, Callable[[argparse.Namespace, ResultsLog], None]]] = {
    "prepare": prepare,
    "run": run,
    "accuracy": accuracy,
    "cold": cold,
    "limits": limits,
    "report": report,
}


def main() -> None:
    parser = parser_of("bench.towers", __doc__)
    parser.add_argument("act", choices=ACTS)
    parser.add_argument("--work", type=Path, default=WORK, metavar="FOLDER")
    models = sorted({comparison.model for comparison in COMPARISONS})
    parser.add_argument("--models", nargs="+", default=models, choices=models)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--cases", nargs="+", default=list(BY_NAME), choices=list(BY_NAME))
    names = [contender.name for contender in CONTENDERS]
    parser.add_argument("--contenders", nargs="+", default=[], metavar="NAME", help=f"of {names}")
    parser.add_argument("--stop-after", type=float, default=float("inf"), metavar="SECONDS")
    options = parser.parse_args()
    options.work = options.work.resolve()  # a worker runs from the repository's root
    options.work.mkdir(parents=True, exist_ok=True)
    options.until = time.monotonic() + options.stop_after
    ACTS[options.act](options, ResultsLog(options.work / "ledger.jsonl"))


if __name__ == "__main__":
    main()
