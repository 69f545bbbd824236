"""Wishes of the environment for a build of the kernels, and the first error of a build."""

import os
import re
from collections.abc import Mapping
from typing import Final

PURE: Final = "TWINLENS_PURE"
NATIVE: Final = "TWINLENS_NATIVE"
LONGEST: Final = 300
"""Characters of a reason."""
_ERROR: Final = re.compile(r"\b(?:fatal )?error(?: [A-Z]+\d+)?: \S")
"""Line of a compiler or linker: GNU's, Clang's, or MSVC's with its number."""


def is_pure(environment: Mapping[str, str] = os.environ) -> bool:
    """Return True if TWINLENS_PURE asks for numpy alone.

    Raises:
        SystemExit: it is neither 0 nor 1, or TWINLENS_NATIVE asks for the contrary.
    """
    pure = environment.get(PURE) or "0"
    if pure not in ("0", "1"):
        raise SystemExit(f"twinlens: {PURE} is {pure[:40]!r}, wanted 1 or 0")
    if pure == "1" and is_required(environment):
        raise SystemExit(f"twinlens: {PURE}=1 and {NATIVE}=required exclude each other; unset one")
    return pure == "1"


def is_required(environment: Mapping[str, str] = os.environ) -> bool:
    """Return True if TWINLENS_NATIVE makes a build without the kernels an error.

    Raises:
        SystemExit: it is set to anything else.
    """
    native = environment.get(NATIVE) or ""
    if native not in ("", "required"):
        raise SystemExit(f"twinlens: {NATIVE} is {native[:40]!r}, wanted required, or unset")
    return native == "required"


def first_error(output: str) -> str:
    """Return the first error that a build printed: a compiler's line, or a message of CMake."""
    lines = output.splitlines()
    for number, line in enumerate(lines):
        if line.lstrip().startswith("CMake Error"):
            rest = lines[number + 1 :]
            ends = (i for i, text in enumerate(rest) if text.strip() and text[0] != " ")
            return _cut(" ".join(" ".join(rest[: next(ends, len(rest))]).split()) or line)
        if _ERROR.search(line):
            return _cut(line.strip())
    return "the compiler printed no error; `pip install -v` shows its output"


def _cut(text: str) -> str:
    text = text.rstrip(".")
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."
