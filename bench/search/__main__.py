"""Time exact cosine top-k against every library that users would pick.

    python -m bench.search prepare corpora and ground truth, which need no quiet machine
    python -m bench.search run     again until nothing is left; --stop-after SECONDS cuts it
    python -m bench.search disk    10 million rows (--many) in little memory, and cold storage
    python -m bench.search report  results/search.json, and its tables

A contender has a process of its own. twinlens and one peer are asked in turn, so that a slow spell
slows both, and the ratio is the median of the rounds' ratios. Each figure is appended to
FOLDER/cells.jsonl (--work FOLDER) when it is known: a run that was cut goes on where it stopped.
--rows, --widths, --threads, --kinds, --queries, --hits and --peers choose the cells of a run.
"""

import argparse
import time
from itertools import product
from pathlib import Path

from bench.harness.arguments import parser_of
from bench.harness.machine import installed
from bench.harness.paths import BUILD
from bench.harness.results_log import ResultsLog
from bench.search.cells import CorpusSetup, Selection
from bench.search.disk import COLD_ROUNDS, MANY, PARTS, measure_disk
from bench.search.report import report
from bench.search.rounds import PEERS, ROUNDS, PairedRounds, RunLimits

WORK = BUILD / "bench-search"


def run(options: argparse.Namespace, *, measure: bool) -> None:
    """Measure the chosen cells that the log lacks, until the time is over, or prepare them."""
    limits = RunLimits(until=time.monotonic() + options.stop_after, rounds=options.rounds)
    options.work.mkdir(parents=True, exist_ok=True)
    log = ResultsLog(options.work / "cells.jsonl", echo=True)
    wanted = [peer for peer in PEERS if peer.name in (options.peers or [peer.name])]
    there = {library for library in {peer.library for peer in wanted} if installed(library)}
    peers = [peer for peer in wanted if peer.library in there]
    selection = Selection(kinds=options.kinds, n_queries=options.queries, ks=options.hits)
    for n, width, threads in product(options.rows, options.widths, options.threads):
        setup = CorpusSetup(n=n, width=width, threads=threads)
        paired = PairedRounds(setup, selection, options.work, log, limits)
        if measure:
            paired.run(peers)
        else:
            paired.prepare(peers)


def main() -> None:
    parser = parser_of("bench.search", __doc__)
    parser.add_argument("act", choices=("prepare", "run", "disk", "report"))
    parser.add_argument("--work", type=Path, default=WORK, metavar="FOLDER")
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--widths", type=int, nargs="+", default=[512, 768])
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--kinds", nargs="+", choices=("text", "image"), default=["text", "image"])
    parser.add_argument("--queries", type=int, nargs="+", default=[1, 16, 256])
    parser.add_argument("--hits", type=int, nargs="+", default=[10, 100, 1000])
    parser.add_argument("--peers", nargs="+", choices=sorted({peer.name for peer in PEERS}))
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="of a cell, at most")
    parser.add_argument("--stop-after", type=float, default=float("inf"), metavar="SECONDS")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS, help="of disk")
    parser.add_argument("--clock", choices=("wall", "cpu"), default="wall", help="of report")
    parser.add_argument("--many", type=int, default=MANY, metavar="ROWS", help="of disk")
    options = parser.parse_args()
    options.work = options.work.resolve()  # a worker runs from the repository's root
    if options.act in ("prepare", "run"):
        run(options, measure=options.act == "run")
    elif options.act == "disk":
        for part in options.parts:
            rounds = min(options.rounds, COLD_ROUNDS)
            measure_disk(options.work, part, options.many, cold_rounds=rounds)
    else:
        report(options.work, options.clock)


if __name__ == "__main__":
    main()
