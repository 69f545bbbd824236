"""Search for the environment and the settings that make faiss fastest on this machine."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from bench.harness.results_log import ResultsLog
from bench.search.cells import Cell, CorpusSetup
from bench.search.corpus import corpus_file
from bench.search.worker import Worker

TUNING_ROWS, TUNING_K, TRIALS = 100_000, 100, 5

# OpenBLAS takes the kernels and the block sizes of the processor it believes to have found.
ENVIRONMENTS: tuple[Mapping[str, str], ...] = (
    {},
    {"OPENBLAS_CORETYPE": "SkylakeX"},
    {"OPENBLAS_CORETYPE": "SkylakeX", "OPENBLAS_L2_SIZE": "2048"},
    {"OPENBLAS_CORETYPE": "Haswell", "OPENBLAS_L2_SIZE": "2048"},
)
HUGE_PAGES = {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}
NEVER_BLAS, ALWAYS_BLAS = 2**31 - 1, 1


def tuned_faiss(setup: CorpusSetup, n_queries: int, work: Path, log: ResultsLog) -> dict[str, Any]:
    """Return environment and settings; tried once for each width, thread count and Q."""
    name = {"tuned_for": [setup.width, setup.threads, n_queries]}
    line = log.find(name)
    if line is None:
        trials = {}
        rows_file = corpus_file(work, TUNING_ROWS, setup.width)
        trial = Cell(kind="text", n_queries=n_queries, k=TUNING_K)
        for environment in ENVIRONMENTS:
            chosen = dict(environment) | HUGE_PAGES
            with Worker("faiss", rows_file, setup.threads, chosen) as worker:
                for settings in candidates(setup.threads, n_queries):
                    times = [worker.time(trial, settings, 1)["wall_ms"] for _ in range(TRIALS)]
                    trials[json.dumps({"environment": chosen, "settings": settings})] = min(times)
        best = min(trials, key=trials.__getitem__)
        line = name | {"tuned": json.loads(best), "trials_ms": trials}
        log.add(line)
    return line["tuned"]


def candidates(threads: int, n_queries: int) -> Iterator[dict[str, int]]:
    """Yield settings of faiss worth a trial."""
    for block in (256, 1024, 4096) if n_queries > 1 else (1024,):
        yield {
            "distance_compute_blas_threshold": ALWAYS_BLAS,
            "distance_compute_blas_database_bs": block,
        }
    if n_queries <= 16:
        # One query is as fast on one of its threads as on two, or faster.
        for used in {1, threads} if n_queries == 1 else {threads}:
            yield {"distance_compute_blas_threshold": NEVER_BLAS, "threads": used}
