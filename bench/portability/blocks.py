"""The blocks of the page on other tools, each run as it stands.

Before it, its inputs are read; after it, its rows are written.
"""

import json
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bench.harness.paths import ROOT
from twinlens.bundle.specs import Modality, Precision
from twinlens_export.portable.names import SUFFIXES

Rows = NDArray[np.float32]
PAGE: Final = ROOT / "docs" / "pages" / "models" / "portability.md"
BLOCK: Final = re.compile(r"<!-- block: ([\w. -]+) -->\n```(\w+)\n(.*?)```", re.DOTALL)
DTYPES: Final[Mapping[Precision, str]] = {"fp32": "fp32", "fp16": "fp16", "int8": "q8"}
PATIENCE_S: Final = 300

PYTHON: Final = (
    """\
import json, numpy
given = json.load(open("given.json"))
texts, pictures = given["texts"], given["pictures"]
ids, pixels = numpy.load("ids.npy"), numpy.load("pixels.npy")
""",
    """
numpy.savez("rows.npz", text=numpy.array(text_rows), image=numpy.array(image_rows))
""",
)
"""Code before and after a block of Python."""
NODE: Final = (
    """\
import { readFileSync, writeFileSync } from "node:fs";
const given = JSON.parse(readFileSync("given.json"));
const { texts, pictures } = given;
const bytes = (name) => Uint8Array.from(readFileSync(name)).buffer;
const ids = { data: new BigInt64Array(bytes("ids.bin")), dims: given.ids };
const pixels = { data: new Float32Array(bytes("pixels.bin")), dims: given.pixels };
""",
    """
const listed = (rows) => rows.dims ? { flat: [...rows.data], dims: rows.dims } : rows;
writeFileSync("rows.json", JSON.stringify({ text: listed(textRows), image: listed(imageRows) }));
""",
)


def block(name: str, precision: Precision = "int8") -> str:
    """Return the code of a block of the page, with the names of a precision in it."""
    found = {title: code for title, _, code in BLOCK.findall(PAGE.read_text(encoding="utf-8"))}
    code = str(found[name]).replace("_quantized", SUFFIXES[precision])
    return code.replace('"q8"', f'"{DTYPES[precision]}"')


def run_python(program: Path, code: str, folder: Path) -> dict[Modality, Rows]:
    """Run a block in an interpreter of Python, and return its rows by modality.

    Raises:
        RuntimeError: it failed; the message has its last words.
    """
    _run([str(program), "-c", f"{PYTHON[0]}{code}{PYTHON[1]}"], folder)
    with np.load(folder / "rows.npz") as rows:
        return {"image": rows["image"], "text": rows["text"]}


def run_node(program: Path, packages: Path, code: str, folder: Path) -> dict[Modality, Rows]:
    """Run a block in Node.js with the packages of a folder, and return its rows by modality.

    Raises:
        RuntimeError: it failed; the message has its last words.
    """
    script = packages / f"block-{folder.name}.mjs"  # packages are found from its place
    script.write_text(f"{NODE[0]}{code}{NODE[1]}", encoding="utf-8")
    try:
        _run([str(program), str(script)], folder)
    finally:
        script.unlink()
    rows = json.loads((folder / "rows.json").read_text(encoding="utf-8"))
    return {"image": _array(rows["image"]), "text": _array(rows["text"])}


def _array(rows: object) -> Rows:
    if isinstance(rows, dict):
        return np.reshape(np.float32(rows["flat"]), rows["dims"])
    return np.array(rows, np.float32)


def _run(command: list[str], folder: Path) -> None:
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    if done.returncode:
        raise RuntimeError(f"exit code {done.returncode}: {done.stderr[-2000:]}")
