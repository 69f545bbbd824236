"""Seconds and megabytes of an installation, with and without the packages that nothing imports."""

import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Final

from bench.packages.cross.wheel import WORK

LINES: Final = {
    "pip install 'twinlens[cpu]'": (("{wheel}[cpu]",),),
    "pip install numpy pillow tqdm onnxruntime && pip install --no-deps tokenizers twinlens": (
        ("numpy", "pillow", "tqdm", "onnxruntime"),
        ("--no-deps", "tokenizers", "{wheel}"),
    ),
}
"""Lines of the README, by the arguments of each `pip install`; twinlens is the wheel."""
USED: Final = """
import json, sys, twinlens
from twinlens.demo.samples import bundled_drawings
model = twinlens.load("demo", device="cpu")
drawings = bundled_drawings()[:4]
model.match([d.path for d in drawings], [d.caption for d in drawings])
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""


def installed(line: str, wheel: Path) -> dict[str, Any]:
    """Install into a fresh environment by a line, use it, and return its row."""
    folder = WORK / "environments" / "size"
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
    python = str(folder / "bin" / "python")
    empty, had = _bytes(folder), _packages(python)
    began = time.perf_counter()
    for arguments in LINES[line]:
        told = [argument.format(wheel=wheel) for argument in arguments]
        subprocess.run([python, "-m", "pip", "install", "--quiet", *told], check=True)
    seconds = time.perf_counter() - began
    size = _bytes(folder) - empty
    used = subprocess.run([python, "-c", USED], check=True, capture_output=True, text=True).stdout
    names = sorted(_packages(python) - had)
    return {
        "line": f"`{line}`",
        "seconds": round(seconds, 1),
        "MB on disk": round(size / 1e6),
        "packages": f"{len(names)}: {', '.join(names)}",
        "imported": used.strip(),
    }


def _bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _packages(python: str) -> set[str]:
    told = subprocess.run(
        [python, "-m", "pip", "list", "--format=freeze"], check=True, capture_output=True, text=True
    ).stdout
    return {line.partition("==")[0] for line in told.splitlines()}
