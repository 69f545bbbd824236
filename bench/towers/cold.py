"""From a fresh process to the first embeddings: of a JPEG file and of a text.

Imports, opening both towers, decoding, tokenising and running are all in it. The files were read
before: they are in the system's cache. What OpenVINO compiled "before" is in a cache of its own.
"""

import json
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from bench.towers.contenders import COLD_ONLY, CONTENDERS, Contender
from bench.towers.inputs.workspace import SIDES, Ground
from bench.towers.ledger import Ledger
from bench.towers.worker import environment

ROOT: Final = Path(__file__).parents[2]
ROUNDS: Final = 3
REST_S: Final = 0.1


def starts(
    ground: Ground, names: Sequence[str], threads: int, ledger: Ledger, until: float
) -> None:
    """ROUNDS cold starts of each that the ledger does not have, in turn."""
    for turn in range(ROUNDS):
        for contender in (*CONTENDERS, *COLD_ONLY):
            key = {"cold": contender.name, "model": ground.model, "round": turn}
            wanted = not names or contender.name in names
            late = time.monotonic() > until
            if late or not wanted or not can_start(contender) or ledger.has(key):
                continue
            found = started(ground, contender, threads)
            ledger.add(key | {"threads": threads} | found)
            print(contender.name, {k: v for k, v in found.items() if k != "rows"}, flush=True)
            time.sleep(REST_S)


def can_start(contender: Contender) -> bool:
    """Those made for large batches are left out, and those of one tower."""
    whole = contender.sides == SIDES and 1 in contender.sizes
    return whole and contender.interpreter() is not None


def started(ground: Ground, contender: Contender, threads: int) -> dict[str, Any]:
    """Wall s until the answer is here, and what the process says of itself."""
    begun = time.perf_counter()
    process = subprocess.Popen(
        [
            *(
                contender.interpreter(),
                "-W",
                "ignore",
                "-m",
                "bench.towers.cold_start",
                ground.work,
            ),
            *(ground.model, contender.name, str(threads)),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=ROOT,
        env=environment(threads),
    )
    line = process.stdout.readline()
    wall = time.perf_counter() - begun
    process.wait()
    if not line:
        raise RuntimeError(f"{contender.name} ended with {process.returncode} before its answer")
    return {"wall_s": round(wall, 4)} | json.loads(line)
