"""Bulk jobs: what survives kills and losses of power, and the price of a job that can be resumed.

    python -m bench.bulk [kills power million rate] [--out FILE]

All questions by default; each adds its answer to bench/results/bulk.json.
"""

import argparse
import json
import logging
from pathlib import Path
from typing import Any

from bench.harness.arguments import parser_of
from bench.harness.machine import commit, processor, versions
from bench.harness.results_file import one_row_a_line, place_of

QUESTIONS = ("kills", "power", "million", "rate")


def main() -> None:
    parser = parser_of("bench.bulk", __doc__)
    parser.add_argument("questions", nargs="*", metavar="question", help=", ".join(QUESTIONS))
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--count", type=int, help="pictures, in place of the question's own number")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=place_of("bulk", processor()))
    options = parser.parse_args()
    unknown = set(options.questions) - set(QUESTIONS)
    if unknown:
        parser.error(f"no question {', '.join(sorted(unknown))}; there are {', '.join(QUESTIONS)}")
    logging.getLogger("twinlens").setLevel(logging.ERROR)
    for name in options.questions or QUESTIONS:
        figures = answer(name, options) | {"commit": commit()}
        print(json.dumps({name: figures}), flush=True)
        keep(options.out, name, figures)


def answer(name: str, options: argparse.Namespace) -> dict[str, Any]:
    if name == "kills":
        from bench.bulk import kills  # noqa: PLC0415  each has imports of its own

        return kills.run(options.kills, options.count or 20_000, options.seed)
    if name == "power":
        from bench.bulk import power_cuts  # noqa: PLC0415

        return power_cuts.run(options.count or 200, options.seed)
    if name == "million":
        from bench.bulk import million  # noqa: PLC0415

        return million.run(options.count or 1_000_000)
    from bench.bulk import rate  # noqa: PLC0415

    return rate.run(options.count or 20_000)


def keep(out: Path, name: str, figures: dict[str, Any]) -> None:
    known = json.loads(out.read_text(encoding="utf-8")) if out.exists() else {}
    facts = {
        "processor": processor(),
        "versions": versions(("twinlens", "onnxruntime", "numpy", "pyarrow")),
    }
    out.write_text(one_row_a_line(facts | known | {name: figures}), encoding="utf-8")


if __name__ == "__main__":
    main()
