"""Jobs killed by SIGKILL at random moments, each gone on with by the next.

    python -m bench.bulk kills [--kills 200] [--count 20000]

A forked child embeds generated PNGs into a folder; it is killed after a random time, and another
begins. After each kill every part must be whole, and no name twice; when a job has ended, its
folder must have the rows of one that nobody disturbed, to the bit. Jobs follow each other until
there were as many kills.
"""

import os
import random
import shutil
import signal
import time
from collections import Counter
from pathlib import Path
from typing import Any, Final

import twinlens
from bench.bulk.folders import contents, differences
from bench.bulk.models import work_folder
from bench.bulk.pictures import encoded
from twinlens import Model

OPTIONS: Final = twinlens.BulkOptions(part_rows=100)
"""Small parts: a kill falls into the writing of one more often."""


def run(kills: int, count: int, seed: int) -> dict[str, Any]:
    rng = random.Random(seed)
    model = twinlens.load("demo", device="cpu", threads=1)
    with work_folder() as work:
        return _figures(model, work, rng, kills, count)


def _figures(
    model: Model, work: Path, rng: random.Random, kills: int, count: int
) -> dict[str, Any]:
    wanted_in, out = work / "undisturbed", work / "killed"
    began = time.monotonic()
    job(model, count, wanted_in)
    whole_s = time.monotonic() - began
    wanted, _ = contents(wanted_in)
    tally: Counter[str] = Counter()
    ended: list[dict[str, int]] = []
    while tally["kills"] < kills:
        child = forked(model, count, out)
        # The first kills find no part, and some find a job that has ended.
        time.sleep(rng.choice((rng.uniform(0, 0.05), rng.uniform(0, 3 * whole_s / kills))))
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        found, repeated = contents(out) if out.exists() else ({}, 0)
        tally["repeated"] += repeated
        tally["changed"] += differences(found, wanted)["other"]
        if os.WIFSIGNALED(status):
            tally["kills"] += 1
            tally["kills in the writing of a part"] += bool(drafts(out))
            tally["kills before the first part"] += not found
        elif status == 0:
            ended.append(differences(found, wanted))
            shutil.rmtree(out)
        else:
            tally["failed jobs"] += 1
    if out.exists():
        job(model, count, out)
        found, repeated = contents(out)
        tally["repeated"] += repeated
        ended.append(differences(found, wanted))
    return {
        "pictures": count,
        "undisturbed_s": round(whole_s, 1),
        "rows": sum(row is not None for row, _ in wanted.values()),
        "lost": sum(row is None for row, _ in wanted.values()),
        "jobs": len(ended),
        **{name: tally[name] for name in ("kills", "kills in the writing of a part",
           "kills before the first part", "failed jobs", "repeated", "changed")},
        "missing": sum(one["missing"] for one in ended),
        "foreign": sum(one["foreign"] for one in ended),
        "other": sum(one["other"] for one in ended),
    }  # fmt: skip


def drafts(out: Path) -> list[Path]:
    return list(out.glob(".*.draft"))


def forked(model: Model, count: int, out: Path) -> int:
    child = os.fork()
    if child:
        return child
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        job(model, count, out)
        os._exit(0)
    finally:
        os._exit(1)


def job(model: Model, count: int, out: Path) -> None:
    twinlens.embed_to_parquet(model, encoded(count), out=out, options=OPTIONS)
