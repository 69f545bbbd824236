"""What was measured so far: a file of JSON lines that only grows, so that a cut run goes on."""

import json
import subprocess
from pathlib import Path
from typing import Any

Line = dict[str, Any]


class Ledger:
    """The lines known so far."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.lines: list[Line] = []
        if path.exists():
            self.lines = [json.loads(line) for line in path.read_text().splitlines()]

    def has(self, wanted: Line) -> bool:
        return any(wanted.items() <= line.items() for line in self.lines)

    def add(self, line: Line) -> None:
        stamped = line | {"commit": commit()}
        self.lines.append(stamped)
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(stamped) + "\n")


def commit() -> str:
    """The one that is checked out."""
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "--short", "HEAD"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
