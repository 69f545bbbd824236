"""Seconds and megabytes of an installation, with and without the packages that nothing imports."""

import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from bench.packages.cross.wheel import WORK, version_of

LINES: Final[Mapping[str, Sequence[Sequence[str]]]] = {
    "pip install 'twinlens[cpu]'": (("twinlens[cpu]",),),
    "pip install numpy pillow tqdm onnxruntime && pip install --no-deps tokenizers twinlens": (
        ("numpy", "pillow", "tqdm", "onnxruntime"),
        ("--no-deps", "tokenizers", "twinlens"),
    ),
}
"""Lines of the documents, by the arguments of each `pip install`."""
USED: Final = """
import json, sys, twinlens
from twinlens.demo.samples import bundled_drawings
model = twinlens.load("demo", device="cpu")
drawings = bundled_drawings()[:4]
model.match([d.path for d in drawings], [d.caption for d in drawings])
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""
UNUSED: Final = frozenset({"huggingface_hub", "httpx", "fsspec", "yaml", "typer"})
"""Modules that `tokenizers` brings along."""


def installed(line: str, pythons: Sequence[str], wheels: Path) -> dict[str, Any]:
    """Install into a fresh environment of each Python by a line, use it, and return its row.

    Raises:
        ValueError: a module that the shorter line leaves out was imported.
    """
    row: dict[str, Any] = {"line": f"`{line}`"}
    for python in pythons:
        folder = WORK / "environments" / "size"
        subprocess.run([python, "-m", "venv", "--clear", str(folder)], check=True)
        own = str(folder / "bin" / "python")
        empty, had = _bytes(folder), _packages(own)
        began = time.perf_counter()
        for arguments in LINES[line]:
            install = [own, "-m", "pip", "install", "--quiet", "--find-links", str(wheels)]
            subprocess.run([*install, *arguments], check=True)
        seconds = time.perf_counter() - began
        told = subprocess.run([own, "-c", USED], check=True, capture_output=True, text=True).stdout
        if needless := UNUSED & set(told.strip(" []\n").replace('"', "").split(", ")):
            raise ValueError(f"twinlens imported {sorted(needless)}, which its documents leave out")
        row["packages"] = len(_packages(own) - had)
        version = ".".join(map(str, version_of(python)))
        row[f"CPython {version}"] = f"{seconds:.1f} s, {(_bytes(folder) - empty) / 1e6:.0f} MB"
    return row


def _bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _packages(python: str) -> set[str]:
    told = subprocess.run(
        [python, "-m", "pip", "list", "--format=freeze"], check=True, capture_output=True, text=True
    ).stdout
    return {line.partition("==")[0] for line in told.splitlines()}
