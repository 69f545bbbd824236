"""Losses of power at every system call of a job, replayed on a disk that forgets.

    python -m bench.bulk power [--count 200]

After each call the disk may hold several states (disk.py). In each, every visible part must be
whole, and the next job must make the folder what an undisturbed one makes, to the bit.
"""

import random
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from bench.bulk.disk import CALLS, Disk, Image, recorded
from bench.bulk.folders import contents, differences
from bench.bulk.models import tiny_model, work_folder
from bench.bulk.traced_job import again
from bench.harness.paths import ROOT
from twinlens import Model


def run(count: int, seed: int) -> dict[str, Any]:
    model = tiny_model(threads=1)
    with work_folder() as work:
        return _figures(model, work, count, seed)


def _figures(model: Model, work: Path, count: int, seed: int) -> dict[str, Any]:
    folder, log, place = work / "traced", work / "strace.log", work / "replayed"
    folder.mkdir()
    _trace(folder, log, count)
    wanted, _ = contents(folder)
    rng, disk, tally = random.Random(seed), Disk(folder), Counter[str]()
    seen: set[int] = set()
    for call in recorded(log, folder):
        disk.apply(call)
        tally["calls"] += 1
        tally[call[0]] += 1
        for image in disk.images(rng):
            tally["states"] += 1
            key = hash(tuple(sorted(image.items())))
            if key in seen:
                continue
            seen.add(key)
            tally["distinct states"] += 1
            _restore(image, place)
            found, repeated = contents(place)
            tally["repeated"] += repeated
            again(model, place, count)
            found, repeated = contents(place)
            wrong = differences(found, wanted)
            tally["repeated"] += repeated
            for name, times in wrong.items():
                tally[name] += times
            tally["drafts left"] += len(list(place.glob(".*.draft")))
    return {
        "pictures": count,
        "rows": len(wanted),
        **{name: tally[name] for name in ("calls", "write", "fsync", "rename", "unlink", "states",
           "distinct states", "repeated", "missing", "foreign", "other", "drafts left")},
    }  # fmt: skip


def _trace(folder: Path, log: Path, count: int) -> None:
    job = [sys.executable, "-W", "ignore", "-m", "bench.bulk.traced_job", str(folder), str(count)]
    flags = ["-f", "-y", "-xx", "-s", str(2**24), "-e", f"trace={CALLS}", "-o", str(log)]
    subprocess.run(["strace", *flags, *job], check=True, cwd=ROOT, stderr=subprocess.DEVNULL)


def _restore(image: Image, place: Path) -> None:
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    for name, content in image.items():
        (place / name).write_bytes(content)
