"""Results as JSON that people read, and figures with the digits that count."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from bench.harness.paths import RESULTS

LONG_LINE = 1000
"""Characters of a JSON object beyond which it is indented."""


def one_row_a_line(document: Mapping[str, Any]) -> str:
    """Return JSON with one row of each table a line, so that a diff shows which changed."""
    return "{\n " + ",\n ".join(_members(document)) + "\n}\n"


def _members(document: Mapping[str, Any]) -> Iterator[str]:
    for name, value in document.items():
        text = json.dumps(value)
        if isinstance(value, list) and value and isinstance(value[0], dict):
            rows = ",\n  ".join(json.dumps(row) for row in value)
            text = f"[\n  {rows}\n ]"
        elif isinstance(value, dict) and len(text) > LONG_LINE:
            text = json.dumps(value, indent=1)
        yield f"{json.dumps(name)}: {text}"


def four_digits(value: float) -> float:
    """Round to four significant digits."""
    return float(f"{value:.4g}")


def three_digits(value: float) -> str:
    """Format with three significant digits."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def place_of(name: str, processor: str, folder: Path = RESULTS) -> Path:
    """Return the file of results of a machine: NAME.json, or NAME-PROCESSOR.json beside another's.

    A run on one machine takes no figure of another away; bench.record has both.
    """
    usual = folder / f"{name}.json"
    if not usual.exists():
        return usual
    theirs = json.loads(usual.read_text(encoding="utf-8")).get("processor")
    if theirs == processor:
        return usual
    words = re.sub(r"\W+", "-", re.sub(r"\(.*?\)", "", processor)).strip("-").lower()
    return folder / f"{name}-{words}.json"
