"""Cold starts: from a fresh process to the first embeddings, of a JPEG file and of a text.

Imports, opening both towers, decoding, tokenising and running are all in it. The files were read
before: they are in the system's cache. What OpenVINO compiled "before" is in a cache of its own.
"""

import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

from bench.harness.processes import NOTHING, JsonProcess, worker_environment
from bench.harness.results_log import ResultsLog
from bench.towers.contenders import COLD_ONLY, CONTENDERS, Contender
from bench.towers.inputs.workspace import MODALITIES, Workspace

ROUNDS: Final = 3
REST_S: Final = 0.1


def measure_cold_starts(
    workspace: Workspace, names: Sequence[str], threads: int, log: ResultsLog, until: float
) -> None:
    """Measure ROUNDS cold starts of each contender that the log lacks, in turn."""
    for turn in range(ROUNDS):
        for contender in (*CONTENDERS, *COLD_ONLY):
            key = {"cold": contender.name, "model": workspace.model, "round": turn}
            wanted = not names or contender.name in names
            late = time.monotonic() > until
            if late or not wanted or not can_start(contender) or log.has(key):
                continue
            found = cold_start(workspace, contender, threads)
            log.add(key | {"threads": threads} | found)
            print(contender.name, {k: v for k, v in found.items() if k != "rows"}, flush=True)
            time.sleep(REST_S)


def can_start(contender: Contender) -> bool:
    """Leave out those made for large batches, and those of one tower."""
    whole = contender.modalities == MODALITIES and 1 in contender.sizes
    return whole and contender.interpreter() is not None


def cold_start(
    workspace: Workspace,
    contender: Contender,
    threads: int,
    variables: Mapping[str, str] = NOTHING,
) -> dict[str, Any]:
    """Return the wall s until the answer is here, and the facts in the answer."""
    begun = time.perf_counter()
    with JsonProcess(
        *("bench.towers.cold_start", workspace.work, workspace.model, contender.name, threads),
        python=str(contender.interpreter()),
        env=worker_environment(threads, variables),
        quiet=True,
    ) as process:
        found = process.answer()
        wall = time.perf_counter() - begun
    return {"wall_s": round(wall, 4)} | found
