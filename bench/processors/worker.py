"""Pixels, token ids and rows of a folder of inputs, on the processor that runs this.

    python -m bench.processors.worker BUNDLE INPUTS OUT.npz

INPUTS is a folder of `inputs`. Also run by the Python of another processor, under emulation: it
needs the runtime alone.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import twinlens
import twinlens_kernels
from bench.processors.inputs import TEXTS
from twinlens.bundle.bundle import open_bundle
from twinlens.bundle.specs import Precision
from twinlens.loading import folder_of


def main(bundle: str, inputs: Path, out: Path) -> None:
    """Write the arrays, and the instruction sets that served."""
    pictures = sorted(path for path in inputs.iterdir() if path.name != TEXTS)
    texts = json.loads((inputs / TEXTS).read_text(encoding="utf-8"))
    arrays = rows(bundle, "int8", pictures, texts)
    if "fp32" in open_bundle(folder_of(bundle)).manifest.towers:
        for name, array in rows(bundle, "fp32", pictures, texts).items():
            arrays[f"fp32 {name}" if name in ("images", "texts") else name] = array
    np.savez(out, **arrays)


def rows(
    bundle: str, precision: Precision, pictures: Sequence[Path], texts: Sequence[str]
) -> dict[str, NDArray[Any]]:
    """Return the arrays of one precision."""
    with twinlens.load(
        bundle, precision=precision, device="cpu", threads=1, reproducible=True
    ) as model:
        return {
            "pixels": np.stack([model.preprocess(path) for path in pictures]),
            "ids": np.array([json.dumps(row) for row in model.tokenize(texts).rows]),
            "images": model.embed_images(pictures),
            "texts": model.embed_texts(texts),
            "sets": np.array([model.about["operators"], twinlens_kernels.PATH]),
        }


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
