"""A million generated pictures: resident memory while they are embedded, and an idle resume.

python -m bench.bulk million [--count 1000000]
"""

import threading
import time
from pathlib import Path
from typing import Any, Final

import twinlens
from bench.bulk.folders import contents
from bench.bulk.models import tiny_model, work_folder
from bench.bulk.pictures import arrays
from bench.harness.memory import memory_mb
from twinlens import Model
from twinlens.bulk.job import BulkJob

SAMPLES_S: Final = 0.5
SHARES: Final = (0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 1.0)


def run(count: int) -> dict[str, Any]:
    model = tiny_model(threads=2)
    with work_folder() as work:
        return _figures(model, work / "million", count)


def _figures(model: Model, out: Path, count: int) -> dict[str, Any]:
    model.embed_images([image.image for image in arrays(64)])
    options = twinlens.BulkOptions()
    job = BulkJob(model, out, options)
    samples: list[tuple[int, float]] = []
    over, tally = threading.Event(), job.tally

    def sample() -> None:
        while not over.wait(SAMPLES_S):
            samples.append((tally.drawn, memory_mb("VmRSS")))

    watching = threading.Thread(target=sample, daemon=True)
    watching.start()
    began = time.monotonic()
    report = job.run(arrays(count))
    took_s = time.monotonic() - began
    over.set()
    watching.join()
    samples.append((count, memory_mb("VmRSS")))
    table_mb = job._names.n_bytes / 1e6
    del job
    began, cpu = time.monotonic(), time.process_time()
    again = twinlens.embed_to_parquet(model, arrays(count), out=out, options=options)
    idle_s, idle_cpu_s = time.monotonic() - began, time.process_time() - cpu
    stored, repeated = contents(out)
    parts = list(out.glob("part-*.parquet"))
    return {
        "pictures": count,
        "rows": report.rows,
        "names": len(stored),
        "repeated": repeated,
        "parts": len(parts),
        "stored_mb": round(sum(part.stat().st_size for part in parts) / 1e6, 1),
        "took_s": round(took_s, 1),
        "a_second": round(count / took_s, 1),
        "resident_mb": {str(share): at(samples, share * count) for share in SHARES},
        "table_mb": round(table_mb, 1),
        "table_bytes_a_name": round(table_mb * 1e6 / count, 1),
        "idle_resume_s": round(idle_s, 2),
        "idle_resume_cpu_s": round(idle_cpu_s, 2),
        "idle_resume_embedded": again.embedded,
    }


def at(samples: list[tuple[int, float]], drawn: float) -> float:
    """Return the largest resident set until so many pictures were drawn."""
    return round(max((mb for n, mb in samples if n <= drawn), default=samples[0][1]), 1)
