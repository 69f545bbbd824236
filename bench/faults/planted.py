"""Planted faults, one of each kind that the harness must find."""

import os
import random
import signal
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from bench.faults.campaign import Act, Case, ChangedAnswer


def _answers() -> str:
    return "answer"


def _refuses() -> str:
    raise ValueError("refused as it should be")


def _raises() -> str:
    raise KeyError("nobody promised this")


def _changes() -> str:
    raise ChangedAnswer("a row differs")


def _hangs() -> str:
    while True:
        time.sleep(1)


def _crashes() -> str:
    os.kill(os.getpid(), signal.SIGSEGV)
    return "not reached"


def _exits() -> str:
    os._exit(7)


def _reports() -> str:
    report = (
        "kernels/src/planted.hpp:7:30: runtime error: signed integer overflow: 2147483647 + 100"
    )
    print(report, file=sys.stderr, flush=True)
    return "answer"


_LEAKED: list[bytearray] = []


def _leaks() -> str:
    _LEAKED.append(bytearray(os.urandom(1 << 20) * 64))
    return "answer"


ACTS: Final[Mapping[str, Callable[[], str]]] = MappingProxyType(
    {
        "answers": _answers,
        "refuses": _refuses,
        "raises": _raises,
        "changes": _changes,
        "hangs": _hangs,
        "crashes": _crashes,
        "exits": _exits,
        "reports": _reports,
        "leaks": _leaks,
    }
)


class Planted:
    """Each act in turn, by the case's number."""

    name = "planted"
    count = len(ACTS)
    small_count = len(ACTS)
    fresh = False
    refusals = (ValueError,)

    def environment(self) -> Mapping[str, str]:
        return {}

    def draw(self, rng: random.Random, number: int) -> Case:
        kind = list(ACTS)[number % len(ACTS)]
        return Case(kind=kind, content=rng.randbytes(8))

    def keep(self, case: Case, place: Path) -> None:
        (place / "bytes").write_bytes(case.content)

    def opened(self) -> Act:
        return lambda case: ACTS[case.kind]()
