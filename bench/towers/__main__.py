"""How long does an image or a text take in each tower, beside everything that users would pick?

    python -m bench.towers prepare [--models B32 B16 L14]   checkpoints, graphs, int8 by nncf
    python -m bench.towers run [--models ...] [--threads ...] [--cells ...] [--contenders ...]
    python -m bench.towers judge                            cosines with the original, batch mates
    python -m bench.towers cold                             from nothing to the first embeddings
    python -m bench.towers limits                           what the machine's matrix products reach
    python -m bench.towers report                           results/towers.json, and its tables

Every contender has a process of its own, and all are asked in turn, round by round. What is
measured is appended to FOLDER/ledger.jsonl (--work FOLDER) cell by cell: --stop-after SECONDS cuts
a run, and the next one goes on. Nothing else should run beside `run`, `cold` and `limits`.
"""

import argparse
import importlib
import time
from pathlib import Path

from bench.towers.cases import BY_NAME, FIELDS, Field
from bench.towers.contenders import CONTENDERS
from bench.towers.inputs.workspace import Ground
from bench.towers.ledger import Ledger

WORK = Path(__file__).parents[2] / "build" / "bench-towers"


def chosen(options: argparse.Namespace) -> list[Field]:
    return [
        field
        for field in FIELDS
        if field.model in options.models and field.threads in options.threads
    ]


def prepare(options: argparse.Namespace) -> None:
    for model in options.models:
        fields = [field for field in FIELDS if field.model == model]
        taking_part = [contender for field in fields for contender in field.contenders()]
        kinds = {contender.graphs for contender in taking_part}
        preparing = importlib.import_module("bench.towers.inputs.prepare")
        sides = sorted({side for field in fields for side in field.sides})
        preparing.prepare(Ground(model=model, work=options.work), kinds, sides)


def run(options: argparse.Namespace, ledger: Ledger, until: float) -> None:
    rounds = importlib.import_module("bench.towers.timing")
    for field in chosen(options):
        cells = [BY_NAME[name] for name in field.cells if name in options.cells]
        ground = Ground(model=field.model, work=options.work)
        if time.monotonic() < until:
            rounds.Meeting(
                field=field, ground=ground, cells=cells, names=options.contenders
            ).measure(ledger, until)


def judge(options: argparse.Namespace, ledger: Ledger) -> None:
    judging = importlib.import_module("bench.towers.accuracy")
    for field in chosen(options):
        ground = Ground(model=field.model, work=options.work)
        judging.judge(field, ground, options.contenders, ledger)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    acts = ("prepare", "run", "judge", "cold", "limits", "report")
    parser.add_argument("act", choices=acts)
    parser.add_argument("--work", type=Path, default=WORK, metavar="FOLDER")
    models = sorted({field.model for field in FIELDS})
    parser.add_argument("--models", nargs="+", default=models, choices=models)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--cells", nargs="+", default=list(BY_NAME), choices=list(BY_NAME))
    names = [contender.name for contender in CONTENDERS]
    parser.add_argument("--contenders", nargs="+", default=[], metavar="NAME", help=f"of {names}")
    parser.add_argument("--stop-after", type=float, default=float("inf"), metavar="SECONDS")
    options = parser.parse_args()
    options.work = options.work.resolve()
    options.work.mkdir(parents=True, exist_ok=True)
    ledger = Ledger(options.work / "ledger.jsonl")
    until = time.monotonic() + options.stop_after
    if options.act == "prepare":
        prepare(options)
    elif options.act == "run":
        run(options, ledger, until)
    elif options.act == "judge":
        judge(options, ledger)
    elif options.act == "cold":
        ground = Ground(model="B32", work=options.work)
        starts = importlib.import_module("bench.towers.cold").starts
        starts(ground, options.contenders, max(options.threads), ledger, until)
    elif options.act == "limits":
        for threads in options.threads:
            importlib.import_module("bench.towers.limits").measure_limits(threads, ledger)
    else:
        importlib.import_module("bench.towers.report").report(ledger, options.work)


if __name__ == "__main__":
    main()
