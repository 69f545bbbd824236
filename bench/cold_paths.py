"""Start int8 towers from nothing by each path: CPU and memory until the first embeddings.

    python -m bench.cold_paths [--work build/bench-towers] [--threads 2] [--rounds 5]

The paths are those that run on this processor: every instruction set of the native operators,
onnxruntime's own operators, and these with numpy in place of the compiled kernels, as where no
compiler was found. Each start is a fresh process (bench.towers.cold) on files that the system has
in its cache; the model is ViT-B/32, which `bench.towers prepare --models B32` makes. CPU seconds
and memory hold on a machine that others use too; seconds by the clock are those of `bench.towers`.
"""

import shutil
import statistics
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

import twinlens_kernels
from bench.harness.arguments import parser_of
from bench.harness.machine import commit, processor, versions
from bench.harness.paths import BUILD
from bench.harness.readme_tables import write_tables
from bench.harness.results_file import one_row_a_line, place_of, three_digits
from bench.towers.cold import cold_start
from bench.towers.contenders import BY_NAME, OURS
from bench.towers.inputs.workspace import Workspace
from twinlens_kernels import operators

ONNXRUNTIME: Final = "onnxruntime"
Figures = Mapping[str, Any]


def paths(uncompiled: Path) -> dict[tuple[str, str], dict[str, str]]:
    """Return the environment of each pair of operators and kernels.

    Args:
        uncompiled: folder with a copy of the kernels that has nothing compiled.
    """
    compiled = {
        (name, "compiled"): {operators.VARIABLE: name} for name in (*operators.runnable(), "none")
    }
    return compiled | {("none", "numpy"): {"PYTHONPATH": str(uncompiled)}}


def copy_uncompiled(folder: Path) -> Path:
    """Copy the kernels without their compiled parts, as an installation without a compiler."""
    source = Path(twinlens_kernels.__file__).parent
    left_out = shutil.ignore_patterns("*.so", "*.pyd", "*.dll", "*.dylib", "__pycache__")
    shutil.copytree(source, folder / source.name, ignore=left_out)
    return folder


def measured(workspace: Workspace, threads: int, rounds: int) -> Iterator[Figures]:
    """Yield the figures of each path: medians over rounds, in which all are started in turn."""
    with tempfile.TemporaryDirectory() as folder:
        ways = paths(copy_uncompiled(Path(folder)))
        found: dict[tuple[str, ...], list[Figures]] = {way: [] for way in ways}
        for _ in range(rounds):
            for way, variables in ways.items():
                found[way].append(cold_start(workspace, BY_NAME[OURS], threads, variables))
    best = next(iter(found.values()))[0]["rows"]
    for (name, kernels), starts in found.items():
        yield {
            "operators": ONNXRUNTIME if name == "none" else name,
            "kernels": kernels,
            "worst_cosine_to_the_first": worst_cosine(starts[0]["rows"], best),
            **{
                field: statistics.median(start[field] for start in starts)
                for field in ("cpu_s", "peak_mb", "now_mb", "own_mb")
            },
        }


def worst_cosine(rows: Sequence[Sequence[float]], wanted: Sequence[Sequence[float]]) -> float:
    cosines = (np.asarray(rows) * np.asarray(wanted)).sum(axis=1)
    return round(float(cosines.min()), 6)


def table(starts: Sequence[Figures]) -> Iterator[str]:
    yield "| operators | kernels | CPU s | resident MB, at most | at the end | own | cosine |"
    yield "|---|---|---|---|---|---|---|"
    for start in starts:
        memory = " | ".join(f"{start[field]:.0f}" for field in ("peak_mb", "now_mb", "own_mb"))
        figures = (
            f"{three_digits(start['cpu_s'])} | {memory} | {start['worst_cosine_to_the_first']}"
        )
        yield f"| {start['operators']} | {start['kernels']} | {figures} |"


def main() -> None:
    parser = parser_of("bench.cold_paths", __doc__)
    parser.add_argument("--work", type=Path, default=BUILD / "bench-towers", metavar="FOLDER")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    workspace = Workspace(model="B32", work=options.work.resolve())
    starts = list(measured(workspace, options.threads, options.rounds))
    document = {
        "question": "from nothing to the first embeddings of a JPEG and of a text, int8 ViT-B/32",
        "commit": commit(),
        "processor": processor(),
        "threads": options.threads,
        "rounds": options.rounds,
        "versions": versions(("onnxruntime", "numpy")),
        "starts": starts,
    }
    place_of("cold_paths", processor()).write_text(one_row_a_line(document), encoding="utf-8")
    write_tables("cold_paths", {"starts": table(starts)})
    print(*table(starts), sep="\n")


if __name__ == "__main__":
    main()
