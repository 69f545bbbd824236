"""Asking side: a worker that is replaced when it dies or does not answer in time."""

import json
import os
import re
import select
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from bench.faults.worker import short
from bench.harness.processes import JsonProcess

STARTING_S: Final = 120
"""Patience with a worker that starts: it imports, and may load a model."""
STACKS_S: Final = 1.0
"""Patience with a hanging worker's stacks."""


class Server(JsonProcess):
    """Worker of one campaign, ready for its cases."""

    def __init__(self, campaign: str, seed: int, log: Path, env: Mapping[str, str]) -> None:
        self._log = log
        log.unlink(missing_ok=True)
        super().__init__(
            "bench.faults.worker", campaign, seed, log, env=env, patience_s=STARTING_S
        )
        try:
            self.answer()
        except RuntimeError as error:
            raise RuntimeError(f"{error}; its log:\n{self._text()[-2000:]}") from error

    def __exit__(self, *_: object) -> None:
        self.end()

    def judge(self, number: int, deadline_s: float) -> dict[str, Any]:
        """Return the outcome of a case; a `lost` one has taken the worker with it."""
        stdin, stdout = self._process.stdin, self._process.stdout
        try:
            print(json.dumps({"number": number}), file=stdin, flush=True)
        except BrokenPipeError:
            return self._died()
        if not select.select([stdout], [], [], deadline_s)[0]:
            return self._hung(deadline_s)
        line = stdout.readline()
        return dict(json.loads(line)) if line else self._died()

    def end(self) -> None:
        """Kill the worker and all that it has forked."""
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except ProcessLookupError:
            self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            try:
                pipe.close()
            except BrokenPipeError:  # a question that was never read
                continue

    def _hung(self, deadline_s: float) -> dict[str, Any]:
        known, until = len(self._text()), time.monotonic() + STACKS_S
        self._process.send_signal(signal.SIGUSR1)
        while len(self._text()) == known and time.monotonic() < until:
            time.sleep(0.01)
        time.sleep(0.05)  # the last lines
        stacks = self._text()[known:]
        self.end()
        return _lost("hang", python_place(stacks), f"no answer in {deadline_s} s")

    def _died(self) -> dict[str, Any]:
        try:
            code = self._process.wait(STACKS_S)
        except subprocess.TimeoutExpired:
            code = 0
        log = self._text()
        self.end()
        report = re.search(r"(?:ERROR: AddressSanitizer: |runtime error: )([^\n]*)", log)
        if report:
            named = re.sub(r"0x[0-9a-f]+|-?\d{3,}", "N", report[1])
            return _lost(f"sanitizer: {named.split(' on address')[0][:90]}", native_place(log), "")
        name = signal.Signals(-code).name if code < 0 else f"exit {code}"
        return _lost(f"died of {name}", python_place(log), log[-200:])

    def _text(self) -> str:
        return self._log.read_text(errors="replace") if self._log.exists() else ""


def _lost(fault: str, place: str, text: str) -> dict[str, Any]:
    return {"outcome": fault, "fault": fault, "place": place, "text": text, "lost": True}


def python_place(stacks: str) -> str:
    """Return the innermost line of ours in the stacks that faulthandler writes."""
    # The thread that got the signal comes last when all are written, and is marked.
    start = stacks.find("Current thread")
    found = re.findall(r'File "([^"]+)", line (\d+)', stacks[max(start, 0) :])
    ours = [(f, n) for f, n in found if "/twinlens" in f and "/bench/" not in f]
    named = (ours or found)[:1]
    return f"{short(named[0][0])}:{named[0][1]}" if named else "native"


def native_place(report: str) -> str:
    """Return the innermost line of the kernels' sources in a sanitizer's report."""
    found = re.search(r"kernels/(src/[\w/.]+:\d+)", report)
    return found[1] if found else "native"
