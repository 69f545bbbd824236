"""Output of a subcommand."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Output of a subcommand as lines of text and as JSON, and its exit code."""

    lines: Sequence[str]
    document: Any
    """JSON-serialisable, with the same content."""
    code: int = 0
    to_stderr: bool = False
    """True if stdout has the output itself."""
