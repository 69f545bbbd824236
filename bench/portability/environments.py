"""Environments of other people's tools: one of Node.js and two of Python, in one folder.

The folder is named by TWINLENS_TOOLS; it is kept, since some of it is gigabytes.
"""

import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.harness.paths import BUILD

VARIABLE: Final = "TWINLENS_TOOLS"
USUAL: Final = BUILD / "tools"
PINS: Final[Mapping[str, Sequence[str]]] = {
    "node": (
        "@huggingface/transformers@4.3.2",
        "onnxruntime-node@1.30.0",
        "onnxruntime-web@1.30.0",
    ),
    "python": (
        "fastembed==0.9.1",
        "onnx==1.23.2",
        "onnxruntime==1.32.0",
        "openvino==2026.4.1",
        "transformers==5.24.0",
    ),
    "optimum": (
        "onnxruntime==1.32.0",
        "optimum-onnx==0.1.0",
        "pillow",
        "torch",
        "transformers==4.57.6",
    ),
}
"""Packages by environment. optimum-onnx wants an older transformers, so it has one of its own."""
QUIET: Final = ("--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
PATIENCE_S: Final = 1800


@dataclass(frozen=True, slots=True, kw_only=True)
class Environments:
    """The environments that are installed in a folder."""

    folder: Path

    @classmethod
    def known(cls) -> "Environments":
        """Return those of TWINLENS_TOOLS, or of the usual folder."""
        return cls(folder=Path(os.environ.get(VARIABLE) or USUAL))

    def program(self, name: str) -> Path | None:
        """Return the interpreter of an environment; None: it is not installed."""
        if name == "node":
            found = shutil.which("node")
            there = (self.folder / "node" / "node_modules").is_dir()
            return Path(found) if found and there else None
        path = self.folder / name / "bin" / "python"
        return path if path.exists() else None

    def install(self, name: str) -> None:
        """Install the packages of an environment, in the versions of PINS.

        Raises:
            subprocess.CalledProcessError: npm or pip failed.
        """
        place = self.folder / name
        if name == "node":
            place.mkdir(parents=True, exist_ok=True)
            (place / "package.json").write_text('{"private": true}\n', encoding="utf-8")
            command = ["npm", "install", *QUIET, *PINS[name]]
        else:
            venv.create(place, with_pip=True)
            command = [str(place / "bin" / "python"), "-m", "pip", "install", "-q", *PINS[name]]
        subprocess.run(command, cwd=place, check=True, timeout=PATIENCE_S, stdout=sys.stderr)
