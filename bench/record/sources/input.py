"""Figures of bench.input: ms from a JPEG to pixels, and from a file to an embedding."""

from collections.abc import Iterator
from typing import Any, Final

from bench.record.sources.towers import Cell

PIXELS: Final = {
    "twinlens exact": "exact",
    "twinlens fast": "fast",
    "plain Pillow": "plain Pillow",
    "transformers (torchvision)": "transformers",
}
SIZES: Final = {2: "2 MP", 12: "12 MP"}
ENCODING: Final = "JPEG q90 4:2:0"
FILES: Final = {
    "twinlens int8 exact": "exact",
    "twinlens int8 fast": "fast",
    "transformers": "transformers",
    "plain ORT script": "a plain onnxruntime script",
}


def cells(document: dict[str, Any]) -> Iterator[Cell]:
    """Yield the figures of one thread, and those of whole files on two."""
    for line in document.get("pixels", []):
        wanted = line["threads"] == 1 and line["encoding"] == ENCODING
        if wanted and line["megapixels"] in SIZES and line["contender"] in PIXELS:
            yield "pixels", PIXELS[line["contender"]], SIZES[line["megapixels"]], line["ms"]
    for line in document.get("files", []):
        if line["contender"] in FILES:
            yield "files", FILES[line["contender"]], "ms a file", line["ms"]
