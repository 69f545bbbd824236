"""Files that a package is made of, by which a later act knows of which sources a file is."""

import hashlib
import json
import subprocess
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from bench.harness.paths import ROOT
from bench.packages.cross.target import Target

PARTS: Final = (
    "LICENSE",
    "NOTICE",
    "README.md",
    "bench/packages/cross",
    "export",
    "kernels",
    "pyproject.toml",
    "runtime",
)
"""Files inside a wheel, and those that compile it; an sdist has tests and documents besides."""


def digest() -> str:
    """Return a digest of the sources that are checked out."""
    found = hashlib.sha256()
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *PARTS],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    for name in sorted(filter(None, listed.split("\0"))):
        path = ROOT / name
        content = path.read_bytes() if path.is_file() else b""
        found.update(f"{name}\0{len(content)}\0".encode() + content)
    return found.hexdigest()


def recipe(target: Target, python: str) -> list[str]:
    """Return the target, the compiler and the interpreter by which sources become a wheel."""
    ask = "import sys; print(sys.version)"
    told = subprocess.run([python, "-c", ask], check=True, capture_output=True, text=True).stdout
    return [str(target), version("ziglang"), told]


def current(note: Path, sources: str, by: Sequence[str], out: Path) -> Path | None:
    """Return the wheel that a note tells of, if it is there and was made of these sources so."""
    if not note.exists():
        return None
    told = _read(note)
    wheel = out / str(told["file"])
    same = told["sources"] == sources and told.get("recipe") == list(by)
    return wheel if same and wheel.exists() and told["content"] == _content(wheel) else None


def note_down(note: Path, sources: str, by: Sequence[str], made: Path) -> None:
    """Write sources, recipe and the digest of a file, for `current` and `of_others` to read."""
    told = {"file": made.name, "sources": sources, "recipe": by, "content": _content(made)}
    note.parent.mkdir(parents=True, exist_ok=True)
    note.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


def of_others(made: Iterable[Path], sources: str, notes: Path) -> list[Path]:
    """Return the files that no note of a folder tells to be of these sources, byte for byte."""
    told = [_read(note) for note in notes.glob("*.json")]
    known = {(each["file"], each["content"]) for each in told if each["sources"] == sources}
    return [path for path in made if (path.name, _content(path)) not in known]


def _read(note: Path) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(note.read_text(encoding="utf-8"))
    return told


def _content(made: Path) -> str:
    with made.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
