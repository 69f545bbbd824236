"""From JPEG files to embeddings with a model of ViT-B/32's shape: ours and the others', by name.

    python -m bench.input.files WORK CONTENDER

Each contender has a process of its own, as its thread pools would be in another's way. It runs once
for every line on stdin and answers with one JSON line; after the first run it leaves its embeddings
in WORK/rows.
"""

import argparse
import importlib
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

for name in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):
    os.environ.pop(name, None)

import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]
Embedder = Callable[[Sequence[Path]], F32]

ROOT: Final = Path(__file__).parents[2]
WARM: Final = 32
REFERENCE: Final = "transformers"
CONTENDERS: Final = (
    REFERENCE,
    "sentence-transformers",
    "plain ORT script",
    "plain ORT script, our graph",
    "twinlens fp32 exact",
    "twinlens fp32 fast",
    "twinlens int8 exact",
    "twinlens int8 fast",
)


def contender(name: str, work: Path, threads: int) -> Embedder:
    """What embeds files. A library is imported for its own contender only."""
    if name.startswith("plain ORT script"):
        plain = importlib.import_module("bench.input.plain_script")
        ours = name.endswith("our graph")
        folder = work / "bundle" / "onnx" if ours else work / "traced"
        return plain.plain_ort(folder / "vision_model.onnx", threads, normalise=not ours)
    if name.startswith("twinlens"):
        _, precision, pixels = name.split()
        return twinlens(work, threads, precision=precision, pixels=pixels)
    return getattr(importlib.import_module("bench.input.torch_peers"), name.replace("-", "_"))(
        work, threads
    )


def twinlens(work: Path, threads: int, *, precision: str, pixels: str) -> Embedder:
    model = importlib.import_module("twinlens").load(
        work / "bundle", device="cpu", precision=precision, pixels=pixels, threads=threads
    )
    return model.embed_images


def start(work: Path, name: str) -> "subprocess.Popen[str]":
    """A contender, warm and waiting."""
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "bench.input.files", str(work), name],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    answer_of(process)
    return process


def round_of(process: "subprocess.Popen[str]") -> dict[str, Any]:
    assert process.stdin is not None
    process.stdin.write("go\n")
    process.stdin.flush()
    return answer_of(process)


def answer_of(process: "subprocess.Popen[str]") -> dict[str, Any]:
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise RuntimeError(f"{process.args!r} ended without an answer")
    return dict(json.loads(line))


def agreement(work: Path) -> Iterator[dict[str, Any]]:
    """The smallest and the mean cosine between each contender's embeddings and the reference's."""
    truth = np.load(rows_file(work, REFERENCE))
    for name in CONTENDERS:
        cosines = np.einsum("nd,nd->n", np.load(rows_file(work, name)), truth)
        yield {
            "contender": name,
            "worst_cosine": float(cosines.min()),
            "mean_cosine": float(cosines.mean()),
        }


def rows_file(work: Path, name: str) -> Path:
    return work / "rows" / (name.replace(" ", "_") + ".npy")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", type=Path)
    parser.add_argument("contender", choices=CONTENDERS)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    paths = sorted((options.work / "files").glob("*.jpg"))
    embed = contender(options.contender, options.work, options.threads)
    embed(paths[:WARM])
    print(json.dumps({"ready": len(paths)}), flush=True)
    kept = rows_file(options.work, options.contender)
    kept.parent.mkdir(exist_ok=True)
    for _ in sys.stdin:
        before, begun = time.process_time(), time.perf_counter()
        rows = embed(paths)
        spent, busy = time.perf_counter() - begun, time.process_time() - before
        np.save(kept, rows)
        answer = {
            "ms": 1e3 * spent / len(paths),
            "cpu_ms": 1e3 * busy / len(paths),
            "most_resident_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        }
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
