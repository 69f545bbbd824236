"""Answering side: runs the cases that are asked for, and tells how each ended.

    python -m bench.faults.worker CAMPAIGN SEED LOG

Everything but the answers goes to the file LOG, with the stacks of a process that dies, or that is
sent SIGUSR1.
"""

import ctypes
import faulthandler
import json
import os
import signal
import sys
import time
import traceback
from pathlib import Path
from typing import Any

from bench.faults.campaign import Act, Campaign, ChangedAnswer, rng_of
from bench.faults.campaigns import campaign_of
from bench.harness.answers import claim_stdout
from bench.harness.memory import memory_mb

LONGEST = 200
"""Characters of an error's text that are told."""


def main() -> None:
    name, seed, log = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])
    # A group of its own: it is ended together with its forks.
    os.setpgrp()
    with log.open("w") as file:
        os.dup2(file.fileno(), sys.stderr.fileno())
    answer = claim_stdout()
    if "libasan" not in os.environ.get("LD_PRELOAD", ""):  # which has handlers of its own
        faulthandler.enable()
    faulthandler.register(signal.SIGUSR1, all_threads=True)
    campaign = campaign_of(name)
    act = campaign.opened()
    campaign.draw(rng_of(name, seed, 0), 0)  # imports what it needs, in no case's time
    answer({"ready": True})
    for line in sys.stdin:
        answer(judged(campaign, act, seed, json.loads(line)["number"]))


def judged(campaign: Campaign, act: Act, seed: int, number: int) -> dict[str, Any]:
    """Return the outcome of one case: `fault` is empty if it is right."""
    case = campaign.draw(rng_of(campaign.name, seed, number), number)
    began = time.perf_counter()
    fault, place, text = "", "", ""
    try:
        outcome = act(case)
    except campaign.refusals as error:
        outcome = type(error).__name__
    except ChangedAnswer as error:
        outcome = fault = "changed answer"
        place = str(error)
    except BaseException as error:  # noqa: BLE001  any other end is a find
        outcome = fault = f"foreign {type(error).__name__}"
        place, text = place_of(error), str(error)[:LONGEST]
    took_ms = 1e3 * (time.perf_counter() - began)
    return {
        "kind": case.kind, "detail": case.detail, "outcome": outcome, "fault": fault,
        "place": place, "text": text, "ms": took_ms, "resident_mb": resident_mb(),
    }  # fmt: skip


def resident_mb() -> float:
    """Return the resident set, once free memory is given back: glibc keeps the peak."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
    return memory_mb("VmRSS")


def place_of(error: BaseException) -> str:
    """Return the innermost line of ours that the error came through."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [f for f in frames if "/twinlens" in f.filename and "/bench/" not in f.filename]
    last = (ours or frames)[-1]
    return f"{short(last.filename)}:{last.lineno}"


def short(filename: str) -> str:
    """Return a source file's path from its package on."""
    parts = Path(filename).parts
    start = next((n for n, part in enumerate(parts) if part.startswith("twinlens")), -1)
    return "/".join(parts[start:])


if __name__ == "__main__":
    main()
