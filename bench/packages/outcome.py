"""The outcome of tests: pytest's last line as numbers, and numbers as a phrase."""

import re
from collections.abc import Mapping
from typing import Final

COUNTED: Final = ("passed", "skipped", "xfailed", "failed", "errors")


def counts_of(line: str) -> dict[str, int]:
    """Return the numbers in a line such as `3 passed, 1 error in 2.00s`."""
    words = re.findall(r"(\d+) (passed|skipped|xfailed|failed|errors?)\b", line)
    return {"errors" if word == "error" else word: int(number) for number, word in words}


def told(counts: Mapping[str, int]) -> str:
    """Return the numbers that are not 0 as `3 passed, 1 errors`."""
    return ", ".join(f"{counts[word]} {word}" for word in COUNTED if counts.get(word)) or "no test"
