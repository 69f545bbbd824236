"""What was measured so far: a file of JSON lines that only grows, so that a cut run goes on."""

import json
from pathlib import Path
from typing import Any


class Ledger:
    """The lines known so far."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.lines = [json.loads(line) for line in path.open()] if path.exists() else []

    def find(self, wanted: dict[str, Any]) -> dict[str, Any] | None:
        """The line that has all of this, if any."""
        return next((line for line in self.lines if wanted.items() <= line.items()), None)

    def add(self, line: dict[str, Any]) -> None:
        self.lines.append(line)
        with self._path.open("a") as file:
            file.write(json.dumps(line) + "\n")
        print(json.dumps(line)[:200], flush=True)
