"""Embedders of JPEG files with a model of ViT-B/32's shape: ours and the peers', by name.

    python -m bench.input.files WORK CONTENDER

Each contender has a process of its own, as its thread pools would be in another's way. It runs once
for every line on stdin and answers with one JSON line; after the first run it leaves its embeddings
in WORK/rows.
"""

import contextlib
import importlib
import resource
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from bench.harness.answers import claim_stdout
from bench.harness.arguments import parser_of
from bench.harness.processes import JsonProcess, unset_slow_openblas

unset_slow_openblas()

import numpy as np

from bench.harness.embeddings import F32
from bench.harness.timing import spent_by

Embedder = Callable[[Sequence[Path]], F32]

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
    """Return the function that embeds files. A library is imported for its own contender only."""
    if name.startswith("plain ORT script"):
        plain = importlib.import_module("bench.input.plain_script")
        ours = name.endswith("our graph")
        folder = work / "bundle" / "onnx" if ours else work / "traced"
        return plain.plain_ort(folder / "vision_model.onnx", threads, normalize=not ours)
    if name.startswith("twinlens"):
        _, precision, pixels = name.split()
        return twinlens(work, threads, precision=precision, pixels=pixels)
    peers = importlib.import_module("bench.input.torch_peers")
    return getattr(peers, name.replace("-", "_"))(work, threads)


def twinlens(work: Path, threads: int, *, precision: str, pixels: str) -> Embedder:
    model = importlib.import_module("twinlens").load(
        work / "bundle", device="cpu", precision=precision, pixels=pixels, threads=threads
    )
    return model.embed_images


@contextlib.contextmanager
def workers(work: Path) -> Iterator[Mapping[str, JsonProcess]]:
    """Start a process for each contender; it is warm when its first answer is there."""
    with contextlib.ExitStack() as stack:
        running = {}
        for name in CONTENDERS:
            running[name] = stack.enter_context(JsonProcess("bench.input.files", work, name))
            running[name].answer()
        yield running


def agreement(work: Path) -> Iterator[dict[str, Any]]:
    """Yield the smallest and the mean cosine between each contender's rows and the reference's."""
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
    answer = claim_stdout()
    parser = parser_of("bench.input.files", __doc__)
    parser.add_argument("work", type=Path)
    parser.add_argument("contender", choices=CONTENDERS)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    paths = sorted((options.work / "files").glob("*.jpg"))
    embed = contender(options.contender, options.work, options.threads)
    embed(paths[:WARM])
    answer({"ready": len(paths)})
    kept = rows_file(options.work, options.contender)
    kept.parent.mkdir(exist_ok=True)
    for _ in sys.stdin:
        rows, spent = spent_by(lambda: embed(paths))
        np.save(kept, rows)
        answer(
            {
                "ms": spent.wall_ms / len(paths),
                "cpu_ms": spent.cpu_ms / len(paths),
                # KiB in, MiB out.
                "most_resident_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            }
        )


if __name__ == "__main__":
    main()
