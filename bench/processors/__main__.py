"""Compare, bit by bit, the rows of a bundle on this processor with those on emulated ones.

    python -m bench.processors.arm_root build/processors/aarch64
    python -m bench.processors --x86 Haswell --arm max cortex-a76 cortex-a72

The whole way is compared: the pixels of the same files, the token ids of the same texts, and the
rows of both, in int8 and, if the bundle has it, in fp32. Emulation tells nothing of time.
"""

import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.harness.arguments import parser_of
from bench.harness.machine import commit, processor, versions
from bench.harness.paths import BUILD, RESULTS
from bench.harness.results_file import one_row_a_line
from bench.processors.emulated import Processor, arm, here, require_sources, x86
from bench.processors.inputs import write_inputs
from twinlens.loading import folder_of
from twinlens_kernels import operators

Array = NDArray[Any]
Arrays = Mapping[str, Array]
ROWS = ("images", "texts", "fp32 images", "fp32 texts")
COMPARED = ("pixels", "ids", *ROWS)


def main(arguments: Sequence[str] | None = None) -> None:
    """Compare every bundle on every processor, and write the counts."""
    parser = parser_of("bench.processors", __doc__)
    parser.add_argument("--bundles", nargs="+", default=["demo"], help="folders, or demo")
    parser.add_argument("--pictures", type=int, default=40)
    parser.add_argument("--texts", type=int, default=100)
    parser.add_argument("--x86", nargs="*", default=[], help="models of qemu-x86_64 -cpu help")
    parser.add_argument("--arm", nargs="*", default=[], help="models of qemu-aarch64 -cpu help")
    parser.add_argument("--root", type=Path, default=BUILD / "processors" / "aarch64")
    parser.add_argument("--qemu", type=Path, help="folder of qemu's programs, if not on the path")
    parser.add_argument("--out", type=Path, default=RESULTS / "processors.json")
    options = parser.parse_args(arguments)
    if options.arm:
        require_sources(options.root)
    others = [
        *(here(name) for name in operators.runnable()),
        *(x86(model, options.qemu) for model in options.x86),
        *(arm(model, options.root.absolute(), options.qemu) for model in options.arm),
    ]
    names = [Path(bundle).name for bundle in options.bundles]
    rows = rows_of_others(options.out, names, [other.name for other in others])
    packages = ("numpy", "onnxruntime", "pillow", "tokenizers")
    about = {"commit": commit(), "processor": processor(), "versions": versions(packages)}
    for bundle in options.bundles:
        for row in compared(bundle, others, options.pictures, options.texts):
            print(json.dumps(row), flush=True)
            rows.append(row)
            options.out.write_text(one_row_a_line({**about, "rows": rows}), encoding="utf-8")


def rows_of_others(
    out: Path, bundles: Sequence[str], processors: Sequence[str]
) -> list[dict[str, Any]]:
    """Return the other rows of a file of results, so that each processor may have its own run."""
    if not out.exists():
        return []
    rows = json.loads(out.read_text(encoding="utf-8"))["rows"]
    return [
        row for row in rows if row["bundle"] not in bundles or row["processor"] not in processors
    ]


def compared(
    bundle: str, others: Sequence[Processor], n_pictures: int, n_texts: int
) -> Iterator[dict[str, Any]]:
    """Yield a line for each processor: how many items are there, and how many differ."""
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        write_inputs(work / "inputs", n_pictures, n_texts)
        folder = folder_of(bundle)  # of this checkout: a root has a demo of its own
        first = arrays_of(Processor(name="this one"), folder, work)
        for other in others:
            found = arrays_of(other, folder, work)
            kernels, search = found["sets"].tolist()
            parts = [name for name in COMPARED if name in first]
            yield {
                "bundle": Path(bundle).name,
                "processor": other.name,
                "operators": kernels,
                "resizing_and_search": search,
                "pictures": n_pictures,
                "texts": n_texts,
                "different": {part: different(first[part], found[part]) for part in parts},
                "worst_cosine": {
                    part: worst(first[part], found[part]) for part in parts if part in ROWS
                },
            }


def arrays_of(on: Processor, bundle: Path, work: Path) -> Arrays:
    """Return the arrays that the worker writes on a processor."""
    out = work / "out.npz"
    on.run("-m", "bench.processors.worker", bundle, work / "inputs", out)
    with np.load(out) as arrays:
        return dict(arrays)


def different(a: Array, b: Array) -> int:
    """Count the items that differ in a bit."""
    if a.shape != b.shape or a.dtype != b.dtype:
        return len(a)
    return sum(one.tobytes() != other.tobytes() for one, other in zip(a, b, strict=True))


def worst(a: Array, b: Array) -> float:
    """Return the smallest cosine between two rows of the same item."""
    x, y = a.astype(np.float64), b.astype(np.float64)
    lengths = np.linalg.norm(x, axis=1) * np.linalg.norm(y, axis=1)
    return float(((x * y).sum(axis=1) / lengths).min())


if __name__ == "__main__":
    main()
