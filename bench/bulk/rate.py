"""Rate of a job that can be resumed, beside `stream_images` alone: paired rounds of one process.

python -m bench.bulk rate [--count 20000]
"""

import shutil
import statistics
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import twinlens
from bench.bulk.models import tiny_model, work_folder
from bench.bulk.pictures import arrays, encoded
from bench.harness.timing import rounds_in_turn
from twinlens import Model, NamedImage

ROUNDS: Final = 8
Source = Callable[[int], Iterator[NamedImage]]


def run(count: int) -> dict[str, Any]:
    demo = twinlens.load("demo", device="cpu", threads=2)
    return {
        "demo, PNG of 8 px": compared(demo, encoded, count // 4),
        "tiny CLIP, arrays": compared(tiny_model(threads=2), arrays, count),
    }


def compared(model: Model, source: Source, count: int) -> dict[str, Any]:
    with work_folder() as work:
        return _figures(model, source, count, work / "rate")


def _figures(model: Model, source: Source, count: int, out: Path) -> dict[str, Any]:
    def alone() -> None:
        for _ in model.stream_images(source(count), block=1024, on_error="skip"):
            pass

    def resumable() -> None:
        shutil.rmtree(out, ignore_errors=True)
        twinlens.embed_to_parquet(model, source(count), out=out)

    spent = rounds_in_turn({"alone": alone, "job": resumable}, rounds=ROUNDS + 1)
    ratios = [
        theirs.wall_ms / ours.wall_ms
        for theirs, ours in zip(spent["alone"], spent["job"], strict=True)
    ]
    cpu = [
        theirs.cpu_ms / ours.cpu_ms
        for theirs, ours in zip(spent["alone"], spent["job"], strict=True)
    ]
    seconds = statistics.median(one.wall_ms for one in spent["job"]) / 1e3
    return {
        "pictures": count,
        "rounds": ROUNDS,
        "a_second": round(count / seconds, 1),
        "share_of_the_rate_alone": round(statistics.median(ratios), 4),
        "smallest": round(min(ratios), 4),
        "largest": round(max(ratios), 4),
        "share_by_cpu_time": round(statistics.median(cpu), 4),
    }
