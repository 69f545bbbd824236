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

from bench.faults.worker import LONGEST, short
from bench.harness.processes import JsonProcess

STARTING_S: Final = 120
"""Patience with a worker that starts: it imports, and may load a model."""
STACKS_S: Final = 1.0
"""Patience with a hanging worker's stacks."""


class Server(JsonProcess):
    """Worker of one campaign, ready for its cases."""

    def __init__(self, campaign: str, seed: int, log: Path, env: Mapping[str, str]) -> None:
        self._log, self._seen = log, 0
        log.unlink(missing_ok=True)
        super().__init__("bench.faults.worker", campaign, seed, log, env=env, patience_s=STARTING_S)
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
        if not line:
            return self._died()
        answer = dict(json.loads(line))
        text = self._text()
        # A place is reported once in a process, with whatever case comes to it first.
        answer["more"] = undefined_behaviour(text[self._seen :])
        self._seen = len(text)
        return answer

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
        if "AddressSanitizer" in self._text():  # a long report, and then the end
            self._process.wait()
            return self._died()
        known, until = len(self._text()), time.monotonic() + STACKS_S
        self._process.send_signal(signal.SIGUSR1)
        while len(self._text()) == known and time.monotonic() < until:
            time.sleep(0.01)
        time.sleep(0.05)  # the last lines
        log = self._text()
        self.end()
        return _lost("hang", python_place(log), f"no answer in {deadline_s} s")

    def _died(self) -> dict[str, Any]:
        try:
            code = self._process.wait(STACKS_S)
        except subprocess.TimeoutExpired:
            code = 0
        log = self._text()
        self.end()
        report = re.search(r"ERROR: AddressSanitizer: ([^\n]*)", log)
        if report:
            told = report[1].split(" on ")[0][:60]
            place = native_place(log[report.start() :])
            lost = _lost(f"sanitizer: {told}", place, report[1])
            return lost | {"more": undefined_behaviour(log[self._seen :])}
        name = signal.Signals(-code).name if code < 0 else f"exit {code}"
        return _lost(f"died of {name}", python_place(log), log[:LONGEST])

    def _text(self) -> str:
        return self._log.read_text(errors="replace") if self._log.exists() else ""


def _lost(fault: str, place: str, text: str) -> dict[str, Any]:
    return {"outcome": fault, "fault": fault, "place": place, "text": text, "lost": True}


def python_place(stacks: str) -> str:
    """Return the innermost line of ours in the stacks that faulthandler writes."""
    # The first process that wrote any is the one that hangs; the thread that got the signal is
    # marked, and is the last of its process.
    start = stacks.find("Current thread")
    found = re.findall(r'File "([^"]+)", line (\d+)', stacks[max(start, 0) :])
    ours = [(f, n) for f, n in found if "/twinlens" in f and "/bench/" not in f]
    named = (ours or found)[:1]
    return f"{short(named[0][0])}:{named[0][1]}" if named else "native"


def undefined_behaviour(log: str) -> list[dict[str, str]]:
    """Return the reports of UndefinedBehaviorSanitizer."""
    reports = re.findall(r"kernels/(src/[\w/.]+:\d+)[:\d]*: runtime error: ([^\n]*)", log)
    return [
        {"fault": f"sanitizer: {named(text)}", "place": place, "text": text}
        for place, text in reports
    ]


def named(report: str) -> str:
    """Return a report without its numbers, so that two of one kind are the same."""
    return re.sub(r"0x[0-9a-f]+|-?\d{3,}", "N", report).split(", which")[0][:90]


def native_place(report: str) -> str:
    """Return the innermost line of the kernels' sources in a sanitizer's report."""
    found = re.search(r"kernels/(src/[\w/.]+:\d+)", report)
    return found[1] if found else "native"
