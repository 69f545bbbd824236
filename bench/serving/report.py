"""Report."""

from pathlib import Path


def report(path: Path) -> None: ...
