"""Time services that embed images and texts: ours beside everything that users would pick.

    python -m bench.serving prepare        checkpoint, bundle, plain graphs, captions and pictures
    python -m bench.serving run [--scenarios ...] [--contenders ...] [--stop-after SECONDS]
    python -m bench.serving run --small    everything in two minutes, on the demo's model
    python -m bench.serving report         its tables; --publish: results/serving.json, README.md

Every service is a process of its own, the load generator another. All are started once, and those
that are not asked are stopped by SIGSTOP, so that contenders take turns within a scenario and cost
nothing meanwhile. Each cell is appended to FOLDER/serving.jsonl (--work FOLDER) when it is
measured: a run that was cut goes on. Nothing else should run beside `run`.
"""

import argparse
import importlib
import signal
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from bench.harness.arguments import parser_of
from bench.harness.paths import BUILD
from bench.harness.results_log import ResultsLog
from bench.serving.contenders import BY_NAME, CONTENDERS
from bench.serving.report import report
from bench.serving.scenarios.alone import offline, one_caption
from bench.serving.scenarios.awake import keep_awake
from bench.serving.scenarios.lives import idle, start, stop
from bench.serving.scenarios.loads import same_rate, saturate, share
from bench.serving.scenarios.mixed import mix
from bench.serving.scenarios.overload import overload
from bench.serving.scenarios.seldom import seldom
from bench.serving.scenarios.soak import soak
from bench.serving.setting import Setting
from bench.towers.inputs.workspace import Workspace

WORK: Final = BUILD / "bench-towers"
"""Folder of bench.towers, whose checkpoint, bundle and graphs are taken if they are there."""
SMALL: Final = "demo"
SMALL_SECONDS: Final = 0.15

SCENARIOS: Final[Mapping[str, Callable[[Setting], None]]] = {
    "saturate": saturate,
    "offline": offline,
    "one-caption": one_caption,
    "share": share,
    "same-rate": same_rate,
    "mix": mix,
    "overload": overload,
    "seldom": seldom,
    "awake": keep_awake,
    "start": start,
    "idle": idle,
    "stop": stop,
    "soak": soak,
}
"""In this order: shares and floods are of the saturation that was measured before."""


def run(options: argparse.Namespace, log: ResultsLog) -> None:
    names = [name for name in options.contenders if BY_NAME[name].is_there()]
    for number in range(options.rounds):
        with Setting(
            workspace=Workspace(model=options.model, work=options.work),
            log=log,
            names=names,
            seconds=SMALL_SECONDS if options.small else 1.0,
            until=time.monotonic() + options.stop_after,
            round=number,
        ) as setting:
            for scenario in options.scenarios:
                SCENARIOS[scenario](setting)


def main() -> None:
    # A run that is cut ends its servers too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    parser = parser_of("bench.serving", __doc__)
    parser.add_argument("act", choices=("prepare", "run", "report"))
    parser.add_argument("--work", type=Path, default=WORK, metavar="FOLDER")
    parser.add_argument("--model", default="B32", choices=("B32", SMALL))
    parser.add_argument("--scenarios", nargs="+", default=list(SCENARIOS), choices=list(SCENARIOS))
    names = [contender.name for contender in CONTENDERS]
    parser.add_argument("--contenders", nargs="+", default=names, choices=names, metavar="NAME")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--stop-after", type=float, default=float("inf"), metavar="SECONDS")
    parser.add_argument("--small", action="store_true", help="short, and on the demo's model")
    parser.add_argument(
        "--publish", action="store_true", help="report: write bench/results and bench/README.md"
    )
    options = parser.parse_args()
    if options.small:
        options.model = SMALL
    options.work = options.work.resolve()  # a worker runs from the repository's root
    options.work.mkdir(parents=True, exist_ok=True)
    name = "serving-small.jsonl" if options.small else "serving.jsonl"
    if options.act == "prepare":
        prepare = importlib.import_module("bench.serving.inputs.prepare").prepare  # torch
        prepare(Workspace(model=options.model, work=options.work))
    elif options.act == "run":
        run(options, ResultsLog(options.work / name, echo=True))
    else:
        report(ResultsLog(options.work / name), options.model, publish=options.publish)


if __name__ == "__main__":
    main()
