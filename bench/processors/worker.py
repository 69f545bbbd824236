"""Pixels, token ids and rows of a folder of inputs, on the processor that runs this.

    python -m bench.processors.worker BUNDLE WORK OUT.npz

WORK holds inputs/ and native/, see `inputs` and `native_part`. Also run by the Python of another
processor, under emulation: it needs the runtime alone.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

import twinlens
import twinlens_kernels
from twinlens_kernels import operators

F32 = NDArray[np.float32]


def main(bundle: str, work: Path, out: Path) -> None:
    """Write the arrays, and the instruction sets that served."""
    pictures = sorted(path for path in (work / "inputs").iterdir() if path.suffix != ".json")
    texts = json.loads((work / "inputs" / "texts.json").read_text(encoding="utf-8"))
    with twinlens.load(bundle, precision="int8", device="cpu", threads=1) as model:
        pixels = np.stack([model.preprocess(path) for path in pictures])
        ids = model.tokenize(texts).rows
        np.savez(
            out,
            pixels=pixels,
            ids=np.array([json.dumps(row) for row in ids]),
            native_images=native_images(work / "native", pixels),
            native_texts=np.concatenate([native_text(work / "native", row) for row in ids]),
            images=model.embed_images(pictures),
            texts=model.embed_texts(texts),
            sets=np.array([operators.path() or "onnxruntime", twinlens_kernels.PATH]),
        )


def native_images(folder: Path, pixels: NDArray[np.uint8]) -> F32:
    """Return the rows of the native part, from the tokens of whoever was first."""
    if not (folder / "vision_before.onnx").exists():
        return run(folder / "vision.onnx", pixels)
    tokens = folder / "tokens.npy"
    if not tokens.exists():
        np.save(tokens, run(folder / "vision_before.onnx", pixels))
    return run(folder / "vision.onnx", np.load(tokens))


def native_text(folder: Path, ids: Sequence[int]) -> F32:
    """Return the row [1, width] of the native part."""
    return run(folder / "text.onnx", np.array([ids], dtype=np.int64)).reshape(1, -1)


SESSIONS: dict[Path, onnxruntime.InferenceSession] = {}


def run(graph: Path, values: NDArray[np.generic]) -> F32:
    """Run a graph of one input by the native operators, on this thread."""
    if graph not in SESSIONS:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.add_session_config_entry("twinlens.threads", "1")
        options.register_custom_ops_library(str(operators.library()))
        SESSIONS[graph] = onnxruntime.InferenceSession(
            graph, options, providers=["CPUExecutionProvider"]
        )
    (given,) = SESSIONS[graph].get_inputs()
    rows: F32 = SESSIONS[graph].run(None, {given.name: values})[0]
    return rows


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
