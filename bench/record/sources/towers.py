"""Figures of bench.towers: ms an item, cosines, and cold starts."""

from collections.abc import Iterator
from typing import Any, Final

Cell = tuple[str, str, str, float]
"""Table, row, column and value."""

ROWS: Final = {
    "transformers eager": "transformers",
    "onnxruntime, plain export": "plain export in onnxruntime",
    "onnxruntime, plain export, padded to 77": "plain export, padded to 77 tokens",
    "OpenVINO bf16": "OpenVINO bf16",
    "OpenVINO int8": "OpenVINO int8 (nncf)",
    "twinlens fp32": "twinlens fp32",
    "twinlens bf16": "twinlens bf16",
    "twinlens int8": "twinlens int8",
}
COLUMNS: Final = {
    "image-32": "image, batch 32",
    "image-1": "batch 1",
    "caption-32": "captions, batch 32",
    "full-text-32": "77 tokens, batch 32",
}
ERROR: Final = "error"
WANTED: Final = {"model": "B32", "threads": 2}
COLD: Final = {"wall_s": "s", "peak_mb": "MB at most", "own_mb": "MB of its own"}


def cells(document: dict[str, Any]) -> Iterator[Cell]:
    """Yield the figures of ViT-B/32 on two threads."""
    for line in document.get("results", []):
        if line["row"] in ROWS and line["cell"] in COLUMNS and WANTED.items() <= line.items():
            yield "towers", ROWS[line["row"]], COLUMNS[line["cell"]], line["ms"]
    for line in document.get("accuracy", []):
        if line["row"] in ROWS and line["model"] == WANTED["model"]:
            worst = [line[kind]["worst_cosine"] for kind in ("image", "text") if kind in line]
            yield "towers", ROWS[line["row"]], ERROR, min(worst)
    for line in document.get("cold_start", []):
        if line["row"] in ("twinlens int8", "transformers eager"):
            for name, words in COLD.items():
                yield "cold start", ROWS[line["row"]], words, line[name]
