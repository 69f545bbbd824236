"""Fault campaigns: damaged inputs by the thousand, and no end but an answer or an error of ours.

    python -m bench.faults [campaign ...] [--count N] [--seed S] [--small] [--case N] [--out FILE]

Campaigns: bundles, images, tables, graphs, forks, memory_limits; all of them by default. Each case
is served by a process that is replaced when it dies or does not answer in two seconds. The input of
each fault is kept in build/bench-faults/kept, and `--case N` runs one again. A full run (all
campaigns at their own size) writes bench/results/faults.json.
"""

import argparse
import json
import os
import sys
import time
from pathlib import Path
from typing import Any, Final

from bench.faults.campaign import WORK
from bench.faults.campaigns import CAMPAIGNS, PLANTED, campaign_of
from bench.faults.run import Orders, figures, lines_of, run
from bench.harness.arguments import parser_of
from bench.harness.machine import commit, processor, versions
from bench.harness.paths import RESULTS
from bench.harness.results_file import one_row_a_line

DEADLINE_S: Final = 2.0
PACKAGES: Final = ("twinlens", "onnxruntime", "numpy", "pillow", "tokenizers", "pyarrow", "onnx")


def main() -> None:
    options = parsed()
    rows, faults = [], []
    for name in options.campaigns:
        campaign, began = campaign_of(name), time.monotonic()
        orders = orders_of(options, campaign.small_count if options.small else campaign.count)
        print(f"{name}: {len(orders.numbers)} cases, seed {orders.seed}", flush=True)
        log = WORK / "logs" / f"{name}-{os.getpid()}"
        log.parent.mkdir(parents=True, exist_ok=True)
        tally = run(campaign, orders, log)
        row = figures(campaign, orders, tally) | {"seconds": round(time.monotonic() - began, 1)}
        print(json.dumps(row), flush=True)
        rows.append(row)
        faults += lines_of(campaign, tally.faults.values())
        if options.case is not None:
            print(log.read_text(errors="replace")[-4000:])
        log.unlink()
    if options.out is not None:
        options.out.write_text(one_row_a_line(document(options, rows, faults)), encoding="utf-8")
    sys.exit(1 if faults or not all(row["flat"] for row in rows) else 0)


def parsed() -> argparse.Namespace:
    real = [name for name in CAMPAIGNS if name != PLANTED]
    parser = parser_of("bench.faults", __doc__)
    parser.add_argument("campaigns", nargs="*", metavar="campaign", help=", ".join(real))
    parser.add_argument("--count", type=int, help="cases of each campaign")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--case", type=int, help="run this one case again")
    parser.add_argument("--deadline-s", type=float, default=DEADLINE_S)
    parser.add_argument("--small", action="store_true", help="a few cases, nothing built")
    parser.add_argument("--out", type=Path, help="file for the figures")
    options = parser.parse_args()
    unknown = set(options.campaigns) - CAMPAIGNS.keys()
    if unknown:
        parser.error(f"no campaign {', '.join(sorted(unknown))}; there are {', '.join(real)}")
    full = not options.campaigns and not options.small and options.count is None
    if full and options.case is None and options.out is None:
        options.out = RESULTS / "faults.json"
    options.campaigns = options.campaigns or real
    return options


def orders_of(options: argparse.Namespace, count: int) -> Orders:
    numbers = range(options.count if options.count is not None else count)
    if options.case is not None:
        numbers = range(options.case, options.case + 1)
    return Orders(
        seed=options.seed, numbers=numbers, deadline_s=options.deadline_s, small=options.small
    )


def document(
    options: argparse.Namespace, rows: list[dict[str, Any]], faults: list[dict[str, Any]]
) -> dict[str, Any]:
    return {
        "commit": commit(),
        "processor": processor(),
        "versions": versions(PACKAGES),
        "deadline_s": options.deadline_s,
        "campaigns": rows,
        "faults": faults,
    }


if __name__ == "__main__":
    main()
