"""Time other people's engines over twinlens, beside twinlens in one process.

    python -m bench.engines prepare      pictures, and an index beside its shards: 8 GB of disk
    python -m bench.engines embedding    Ray Data and Daft, two processes of one thread each
    python -m bench.engines sharded      four shards of an index as Ray actors

Writes its part of results/engines.json (--out FILE); --small checks that all of it runs.
"""

import json
import os
from pathlib import Path

os.environ["RAY_USAGE_STATS_ENABLED"] = "0"

from bench.engines.pictures import write_pictures
from bench.harness.arguments import parser_of
from bench.harness.machine import commit, processor, versions
from bench.harness.paths import BUILD
from bench.harness.results_file import one_row_a_line, place_of

WORK = BUILD / "bench-engines"
PACKAGES = ("ray", "daft", "pyarrow", "numpy", "onnxruntime")


def main() -> None:
    parser = parser_of("bench.engines", __doc__)
    parser.add_argument("part", choices=("prepare", "embedding", "sharded"))
    parser.add_argument("--work", type=Path, default=WORK, metavar="FOLDER")
    out = place_of("engines", processor())
    parser.add_argument("--out", type=Path, default=out, metavar="FILE")
    parser.add_argument("--small", action="store_true", help="few pictures and rows")
    parser.add_argument("--rounds", type=int, default=2)
    options = parser.parse_args()
    # Below, so that --help needs neither Ray nor Daft.
    from bench.engines.embedding import measure_embedding  # noqa: PLC0415
    from bench.engines.sharded import measure_sharded, prepare_sharded  # noqa: PLC0415

    work = options.work.resolve()  # actors run from another folder
    work.mkdir(parents=True, exist_ok=True)
    sizes = (80, 240) if options.small else (4_000, 20_000)
    rows = 2_000 if options.small else 250_000
    if options.part == "prepare":
        for size in sizes:
            write_pictures(work, size)
        prepare_sharded(work, rows_a_shard=rows)
        return
    if options.part == "embedding":
        found = measure_embedding(work, sizes=sizes, rounds=options.rounds)
    else:
        found = measure_sharded(work, rows_a_shard=rows, rounds=options.rounds)
    before = json.loads(options.out.read_text("utf-8")) if options.out.exists() else {}
    facts = {
        "question": "rate of other people's engines over twinlens, beside twinlens in one process",
        "processor": processor(),
        "cores": len(os.sched_getaffinity(0)),
        "versions": versions(PACKAGES),
    }
    parts = {**before.get("parts", {}), options.part: {"commit": commit(), **found}}
    options.out.write_text(one_row_a_line(facts | {"parts": parts}), encoding="utf-8")
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
