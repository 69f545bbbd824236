"""Measure an export with default samples: time, CPU seconds and peak memory.

    python -m bench.export_cost L14 [--work FOLDER] [--out FILE]
    python -m bench.export_cost --page          # docs/pages/models/export.md, from the results

The shapes are those of real checkpoints, the weights random, with a few channels far above the
others. The export runs in a process of its own, whose memory is asked of the system every 50 ms:
"peak_mb" counts what no file backs, "resident_mb" all that was resident, mapped weights included.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import torch

from bench.harness.arguments import parser_of
from bench.harness.machine import commit, processor, versions
from bench.harness.paths import RESULTS, ROOT
from bench.harness.readme_tables import with_table
from bench.harness.results_file import one_row_a_line, place_of
from bench.parity.checkpoints.clips import TRANSFORMERS, save_transformers
from bench.parity.measure import PACKAGES

NAME: Final = "export_cost"
PAGE: Final[Path] = ROOT / "docs" / "pages" / "models" / "export.md"
MARK: Final = "<!-- export: cost -->\n"
SEED: Final = 2026
EVERY_S: Final = 0.05
PROGRAM: Final = """
import json, sys
from bench.harness.random_weights import accept_any_ranking
from twinlens_export import export
accept_any_ranking()
found = export(sys.argv[1], sys.argv[2], progress=True).manifest
print(json.dumps({
    f"{precision} {modality}": {
        "worst_cosine": tower.agreement.worst_cosine, "blocks_in_fp32": len(tower.kept),
    }
    for precision, towers in found.towers.items() for modality, tower in towers.there().items()
}))
"""


def write_clip(folder: Path) -> None:
    """Write ViT-L/14 as bench.towers has it: with channels far above the others."""
    from bench.towers.inputs.models import write_checkpoint  # noqa: PLC0415  needs open_clip
    from bench.towers.inputs.shapes import SHAPES  # noqa: PLC0415

    write_checkpoint(SHAPES["L14"], folder)


def writer(name: str) -> Callable[[Path], None]:
    """Return the act that writes a model of `bench.parity`."""
    return lambda folder: save_transformers(TRANSFORMERS[name](), folder)


MODELS: Final[Mapping[str, tuple[str, Callable[[Path], None]]]] = {
    "L14": ("CLIP ViT-L/14", write_clip),
    "H14": ("CLIP ViT-H/14", writer("CLIP ViT-H/14 (gelu)")),
    "so400m": ("SigLIP so400m/14-384", writer("SigLIP so400m/14-384")),
}


def measured(checkpoint: Path, bundle: Path) -> dict[str, Any]:
    """Export a checkpoint in another process; return its cost and its towers."""
    command = [sys.executable, "-W", "ignore", "-c", PROGRAM, str(checkpoint), str(bundle)]
    peak = {"RssAnon": 0.0, "VmRSS": 0.0}
    start = time.monotonic()
    with tempfile.TemporaryFile("w+") as said, subprocess.Popen(command, stdout=said) as child:
        status = Path("/proc") / str(child.pid) / "status"
        while (over := os.wait4(child.pid, os.WNOHANG))[0] == 0:
            for field, value in resident(status):
                peak[field] = max(peak[field], value)
            time.sleep(EVERY_S)
        _, code, usage = over
        child.returncode = os.waitstatus_to_exitcode(code)
        seconds = time.monotonic() - start
        said.seek(0)
        lines = said.read().splitlines()
    if child.returncode:
        raise RuntimeError(f"the export of {checkpoint} ended with {child.returncode}")
    return {
        "seconds": round(seconds, 1),
        "cpu_s": round(usage.ru_utime + usage.ru_stime, 1),
        "peak_mb": round(peak["RssAnon"]),
        "resident_mb": round(peak["VmRSS"]),
        "bundle_mb": round(sum(f.stat().st_size for f in bundle.rglob("*") if f.is_file()) / 1e6),
        "towers": json.loads(lines[-1]),
    }


def resident(status: Path) -> Iterator[tuple[str, float]]:
    """Yield the memory of a process in MB of 10**6 bytes."""
    try:
        text = status.read_text(encoding="utf-8")
    except OSError:
        return
    for field, kib in re.findall(r"^(RssAnon|VmRSS):\s+(\d+) kB$", text, re.MULTILINE):
        yield field, int(kib) * 1024 / 1e6


def table(documents: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Yield the lines of the table: a model on a machine a line."""
    yield "| Model | Processor | CPU time | Memory | with mapped weights | Bundle |"
    yield "|---|---|---|---|---|---|"
    for document in documents:
        for row in document["exports"]:
            sizes = (row["peak_mb"], row["resident_mb"], row["bundle_mb"])
            cells = [row["model"], document["processor"], f"{row['cpu_s'] / 60:.1f} min"]
            cells += [f"{size / 1e3:.1f} GB" for size in sizes]
            yield f"| {' | '.join(cells)} |"


def main() -> None:
    """Measure one model, or write the page."""
    parser = parser_of("bench.export_cost", __doc__)
    parser.add_argument("model", nargs="?", choices=MODELS)
    parser.add_argument("--work", type=Path, help="a folder for checkpoints, which stay there")
    parser.add_argument("--out", type=Path, default=place_of(NAME, processor()))
    parser.add_argument("--page", action="store_true", help="write the table of the page")
    options = parser.parse_args()
    if options.page:
        documents = [json.loads(path.read_text()) for path in sorted(RESULTS.glob(f"{NAME}*.json"))]
        PAGE.write_text(with_table(PAGE.read_text(encoding="utf-8"), MARK, table(documents)))
        return
    found = json.loads(options.out.read_text()) if options.out.exists() else {"exports": []}
    if options.model is None:
        parser.error("name a model, or --page")
    name, write = MODELS[options.model]
    with tempfile.TemporaryDirectory(dir=options.work) as scratch:
        checkpoint = (options.work or Path(scratch)) / options.model
        if not (checkpoint / "tokenizer.json").exists():
            checkpoint.mkdir(parents=True, exist_ok=True)
            torch.manual_seed(SEED)
            write(checkpoint)
        row = {"model": name, **measured(checkpoint, Path(scratch) / "bundle"), "commit": commit()}
    others = [one for one in found["exports"] if one["model"] != name]
    document = {
        "question": "time and peak memory of twinlens-export with default samples, fp32 and int8",
        "processor": processor(),
        "threads": len(os.sched_getaffinity(0)),
        "versions": versions(PACKAGES),
        "commit": commit(),
        "exports": [*others, row],
    }
    options.out.write_text(one_row_a_line(document))
    print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
