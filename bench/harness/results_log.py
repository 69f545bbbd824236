"""Results log: a file of JSON lines that only grows, so that a run that was cut goes on."""

import json
from pathlib import Path
from typing import Any

from bench.harness.machine import commit

Line = dict[str, Any]


class ResultsLog:
    """Lines of one log file, each stamped with the commit that measured it."""

    def __init__(self, path: Path, *, echo: bool = False) -> None:
        self._path, self._echo = path, echo
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        self.lines: list[Line] = [json.loads(line) for line in text.splitlines()]

    def find(self, wanted: Line) -> Line | None:
        """Return the first line that has all of `wanted`, if any."""
        return next((line for line in self.lines if wanted.items() <= line.items()), None)

    def has(self, wanted: Line) -> bool:
        return self.find(wanted) is not None

    def add(self, line: Line) -> None:
        """Append one line; with `echo`, print its first 200 characters too."""
        stamped = line | {"commit": commit()}
        self.lines.append(stamped)
        text = json.dumps(stamped)
        with self._path.open("a", encoding="utf-8") as file:
            file.write(text + "\n")
        if self._echo:
            print(text[:200], flush=True)
