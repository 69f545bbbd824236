"""The fresh process of one contender, which does everything once and answers a line of JSON.

    python -m bench.towers.cold_start WORK MODEL CONTENDER THREADS

It imports next to nothing that the contenders do not import themselves, as that counts too.
"""

import json
import sys
import time
from pathlib import Path

from bench.towers.contenders import COLD_ONLY, CONTENDERS
from bench.towers.inputs.workspace import Ground
from bench.towers.memory import memory_mb


def main() -> None:
    work, model, name, threads = sys.argv[1:]
    # What a library prints must not come before the answer.
    answers, sys.stdout = sys.stdout, sys.stderr
    (contender,) = (found for found in (*CONTENDERS, *COLD_ONLY) if found.name == name)
    found = contender.first_rows(Ground(model=model, work=Path(work)), int(threads))
    facts = {
        "cpu_s": round(time.process_time(), 4),
        "peak_mb": memory_mb("VmHWM"),
        "now_mb": memory_mb("VmRSS"),
        "own_mb": memory_mb("RssAnon"),
        "rows": [[round(float(x), 7) for x in row] for row in (found.image, found.text)],
    }
    print(json.dumps(facts), file=answers, flush=True)


if __name__ == "__main__":
    main()
