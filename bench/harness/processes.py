"""Asking side of worker processes: modules of bench that answer lines of JSON.

A contender has a process of its own, because OpenMP, OpenBLAS, TBB, torch and onnxruntime choose
their kernels and threads when loaded, and memory is a process's.
"""

import json
import os
import select
import subprocess
import sys
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, Self

from bench.harness.paths import ROOT

SLOW_OPENBLAS: Final = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")
"""Choices of kernels and block sizes that slow numpy down."""
TUNING: Final = frozenset((*SLOW_OPENBLAS, "GLIBC_TUNABLES"))
NOTHING: Final[Mapping[str, str]] = MappingProxyType({})


def unset_slow_openblas() -> None:
    """Remove SLOW_OPENBLAS from the environment; OpenBLAS reads them when numpy is imported."""
    for name in SLOW_OPENBLAS:
        os.environ.pop(name, None)


def worker_environment(threads: int, chosen: Mapping[str, str] = NOTHING) -> dict[str, str]:
    """Return our environment without TUNING, with the thread limits and the chosen variables."""
    kept = {name: value for name, value in os.environ.items() if name not in TUNING}
    limits = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), str(threads))
    quiet = {"TOKENIZERS_PARALLELISM": "false", "HF_HUB_OFFLINE": "1"}
    return kept | limits | quiet | dict(chosen)


class JsonProcess:
    """Process of one module; a line of JSON answers each line of JSON on its stdin.

    A context manager: the process ends with it.
    """

    def __init__(
        self,
        module: str,
        *arguments: object,
        python: str = sys.executable,
        env: Mapping[str, str] | None = None,
        patience_s: float | None = None,
        quiet: bool = False,
    ) -> None:
        self._patience_s = patience_s
        # From the root: there `-m` finds bench without an installation, in any interpreter.
        self._process = subprocess.Popen(
            [python, "-W", "ignore", "-m", module, *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL if quiet else None,
            text=True,
            cwd=ROOT,
            env=env,
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.stdin.close()
        self._process.wait()

    def ask(self, question: Mapping[str, Any]) -> dict[str, Any]:
        """Return the answer to one question."""
        print(json.dumps(question), file=self._process.stdin, flush=True)
        return self.answer()

    def answer(self) -> dict[str, Any]:
        """Return the next line; RuntimeError if the process ends or waits too long without one."""
        stdout = self._process.stdout
        ready = self._patience_s is None or select.select([stdout], [], [], self._patience_s)[0]
        line = stdout.readline() if ready else ""
        if not line:
            self._process.kill()
            words = " ".join(map(str, self._process.args[4:]))
            raise RuntimeError(f"{words} gave no answer, and ended with {self._process.wait()}")
        return dict(json.loads(line))


def answer_of(
    module: str, *arguments: object, env: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Return the one answer of a fresh process."""
    with JsonProcess(module, *arguments, env=env) as process:
        return process.answer()
