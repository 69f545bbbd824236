"""Files that a wheel is made of, by which a later build knows that a finished wheel is current."""

import hashlib
import json
import subprocess
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
"""Files inside a wheel, and those that compile it."""


def digest(target: Target, python: str) -> str:
    """Return a digest of the sources, the compiler, the target and the interpreter of a wheel."""
    ask = "import sys; print(sys.version)"
    told = subprocess.run([python, "-c", ask], check=True, capture_output=True, text=True).stdout
    found = hashlib.sha256(f"{target}\n{version('ziglang')}\n{told}".encode())
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


def current(note: Path, sources: str, out: Path) -> Path | None:
    """Return the wheel that a note tells of, if it is there and was made of these sources."""
    if not note.exists():
        return None
    told: dict[str, Any] = json.loads(note.read_text(encoding="utf-8"))
    wheel = out / str(told["file"])
    same = told["sources"] == sources and wheel.exists() and told["wheel"] == _content(wheel)
    return wheel if same else None


def note_down(note: Path, sources: str, wheel: Path) -> None:
    """Write the digest that `current` reads."""
    told = {"file": wheel.name, "sources": sources, "wheel": _content(wheel)}
    note.parent.mkdir(parents=True, exist_ok=True)
    note.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


def _content(wheel: Path) -> str:
    with wheel.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
