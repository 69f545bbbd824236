"""Fresh process of one contender, which does everything once and answers a line of JSON.

    python -m bench.towers.cold_start WORK MODEL CONTENDER THREADS

It imports next to nothing that the contenders do not import themselves, as that counts too.
"""

import sys
import time
from pathlib import Path

from bench.harness.answers import claim_stdout
from bench.harness.memory import memory_mb
from bench.towers.contenders import COLD_ONLY, CONTENDERS
from bench.towers.inputs.workspace import Workspace


def main() -> None:
    work, model, name, threads = sys.argv[1:]
    answer = claim_stdout()
    (contender,) = (found for found in (*CONTENDERS, *COLD_ONLY) if found.name == name)
    found = contender.first_embeddings(Workspace(model=model, work=Path(work)), int(threads))
    answer(
        {
            "cpu_s": round(time.process_time(), 4),
            "peak_mb": round(memory_mb("VmHWM"), 1),
            "now_mb": round(memory_mb("VmRSS"), 1),
            "own_mb": round(memory_mb("RssAnon"), 1),
            "rows": [[round(float(x), 7) for x in row] for row in (found.image, found.text)],
        }
    )


if __name__ == "__main__":
    main()
